# SPDX-License-Identifier: BSD-2-Clause
"""docs/fail2ban on what the servers really wrote: each refused login matches once, with the
client's address, and nothing else does: no login that succeeded, no outage, and no address that a
client has put into its name.
"""
import itertools
import time

import pytest

import wire
from byhand import log_in
from conftest import PASSWORD, SERVERS
from expectations import MECHANISMS, WAYS
from mailserver import DOCS, SYSLOG, wait_for
from wire import Connection, Outcome

STORE = "/var/lib/mailauth/accounts.mdb"
MAINLOG = "/var/log/exim4/mainlog"
MACHINE = "/etc/exim4/conf.d/main/00_machine"
REFUSED = [("alice", "wrong"), ("nobody", PASSWORD), ("lou-locked", PASSWORD)]
FORGED = [  # names that imitate what follows an address in some log
    "x rhost=9.9.9.9  user=y",
    "x, relay=[9.9.9.9]",
    "x[9.9.9.9]",
    "x) [9.9.9.9] PLAIN (y",
]
COLONS = [  # the same; Cyrus IMAP has no such names, and refuses them before there is a login
    "x[9.9.9.9]: SASL PLAIN authentication failed: authentication failure",
    "x\nwarning: y[9.9.9.9]: SASL PLAIN authentication failed: authentication failure",
    "x) [9.9.9.9]: 535 Incorrect authentication data (set_id=y",
    "mailauth login: result=denied reason=wrong-proof mech=PLAIN service=imap peer=9.9.9.9 user=y",
]


def install(server):
    """As docs/fail2ban.md says."""
    server.shell(f"cp '{DOCS}'/fail2ban/filter.d/mailauth.conf /etc/fail2ban/filter.d"
                 f"; cp '{DOCS}'/fail2ban/jail.d/mailauth.conf /etc/fail2ban/jail.d")


def matches(server, lines):
    """The addresses that the filter finds in these lines, in order, one for each match."""
    server.path("/run/lines").write_text("\n".join([*lines, ""]))
    found = server.run("fail2ban-regex", "-o", "ip", "/run/lines", "mailauth").stdout.split()
    return sorted(found)


class Watched:
    """A server whose log is looked at as fail2ban would, in the files that Debian has."""

    def __init__(self, name, server):
        self.name, self.server = name, server
        self._clients = (f"127.7.{i // 250}.{i % 250 + 1}" for i in itertools.count())
        self.ends = [end for end in server.endpoints if end.tls == "tls"]
        install(server)
        if name == "exim":  # one line for one login is what its own file has, not syslog
            config = server.path(MACHINE)
            config.write_text(config.read_text().replace("log_file_path = syslog\n", ""))
            server.reload()

    def _own_file(self):
        file = self.server.path(MAINLOG)
        return file.read_text().splitlines() if self.name == "exim" and file.exists() else []

    def start(self):
        """For since()."""
        return self.server.log_size(), len(self._own_file())

    def since(self, start):
        """The lines of all log files. Those from syslog get the date and the host's name in front,
        which rsyslog writes there."""
        size, count = start
        lines = self.server.log_since(size)
        if self.name != "postfix":
            now = time.strftime("%b %d %H:%M:%S", time.gmtime())
            lines = [f"{now} {self.server.hostname} {line.split(' ', 1)[1]}" for line in lines]
        return lines + self._own_file()[count:]

    def attempt(self, end, mech, user, password):
        """One login from an address of its own; afterwards the server has logged it. Returns the
        outcome and the address."""
        client = next(self._clients)
        with Connection(end, self.server.certificate, source=client) as link:
            outcome = log_in(link, mech, user, password)
            link.ask("LOGOUT" if end.protocol == "imap" else "QUIT")
        return outcome, client

    def refused(self, logins):
        """The addresses of these logins, all of which are refused."""
        done = [self.attempt(*login) for login in logins]
        assert {outcome for outcome, _ in done} == {Outcome.REFUSED}
        return sorted(client for _, client in done)


@pytest.fixture(scope="module", params=[(name, kind) for name in SERVERS
                                        for kind in ("stock", "own")], ids="-".join)
def watched(request, new_server):
    """Each server, with libsasl2's mechanisms and with ours."""
    name, kind = request.param
    with new_server(name, kind) as server:
        yield Watched(name, server)


def ways(watched):
    """All that can be tried."""
    return [(end, mech) for end in watched.ends for mech in WAYS[end.protocol]]


def test_each_refused_login_matches_once(watched):
    start = watched.start()
    clients = watched.refused((*way, *who) for way in ways(watched) for who in REFUSED)
    lines = watched.since(start)
    assert matches(watched.server, lines) == clients, lines


def test_a_login_that_succeeds_does_not_match(watched):
    start = watched.start()
    for end, mech in ways(watched):
        if mech != "APOP":  # needs another account
            assert watched.attempt(end, mech, "alice", PASSWORD)[0] is Outcome.ACCEPTED
    assert not matches(watched.server, watched.since(start))


@pytest.mark.parametrize("names", [FORGED, COLONS], ids=["FORGED", "COLONS"])
def test_a_name_forges_no_address(watched, names):
    start = watched.start()
    clients = watched.refused((end, mech, user, "x") for end in watched.ends
                              for mech in MECHANISMS for user in names)
    lines = watched.since(start)
    found = matches(watched.server, lines)
    if watched.name == "cyrus" and names is COLONS:
        assert set(found) <= set(clients), lines
    else:
        assert found == clients, lines


@pytest.mark.parametrize("greeting", ["[9.9.9.9]", "9.9.9.9", "[IPv6:2001:db8::9]"])
def test_a_greeting_forges_no_address(watched, greeting, monkeypatch):
    monkeypatch.setattr(wire, "NAME", greeting)
    start = watched.start()
    clients = watched.refused((end, "CRAM-MD5", "alice", "x") for end in watched.ends)
    assert matches(watched.server, watched.since(start)) == clients


def test_an_outage_does_not_match(watched):
    server = watched.server
    server.shell(f"mv {STORE} {STORE}.away")
    server.reload()
    start = watched.start()
    try:
        for end, mech in ways(watched):
            for user in ("alice", "nobody"):
                outcome = watched.attempt(end, mech, user, "wrong")[0]
                if watched.name in ("postfix", "exim"):
                    assert outcome is Outcome.TEMPORARY
                else:  # have no words for it
                    assert outcome is not Outcome.ACCEPTED
        lines = watched.since(start)
    finally:
        server.shell(f"mv {STORE}.away {STORE}")
        server.reload()
    assert any("store" in line for line in lines)
    assert not matches(server, lines), lines


PAM_CALLS = [  # PAM's items, user, password, does it match?
    (["rhost=192.0.2.1"], "alice", "wrong", True),
    (["rhost=192.0.2.2"], "nobody", "wrong", True),
    (["rhost=2001:db8::3"], "lou-locked", PASSWORD, True),
    (["rhost=192.0.2.4", "ruser=x rhost=9.9.9.9"], "alice", "wrong", True),
    (["rhost=192.0.2.5", "ruser=x rhost=9.9.9.9  user=y"], "alice", "wrong", True),
    (["rhost=192.0.2.6", "tty=x rhost=9.9.9.9 "], "x rhost=9.9.9.9  user=y", "wrong", True),
    (["rhost=192.0.2.7"], "alice", PASSWORD, False),
    ([], "alice", "wrong", False),
]


def authenticate(server, items, user, password):
    """One login through PAM; returns whether it was right, and what was logged."""
    start = server.path(SYSLOG).stat().st_size
    options = [word for item in items for word in ("-I", item)]
    done = server.run("pamtester", *options, "mailtest", user, "authenticate",
                      stdin=password + "\n", check=False)
    mark = f"mark-{time.monotonic_ns()}"
    server.run("logger", "-t", "e2e", mark)
    wait_for("the log", lambda: mark in server.path(SYSLOG).read_text())
    text = server.path(SYSLOG).read_bytes()[start:].decode()
    now = time.strftime("%b %d %H:%M:%S", time.gmtime())
    return done.returncode == 0, [f"{now} {server.hostname} {line.split(' ', 1)[1]}"
                                  for line in text.splitlines()]


def test_pam_failures_match_if_the_service_tells_the_address(own_server):
    install(own_server)
    own_server.path("/etc/pam.d/mailtest").write_text("auth required pam_mailauth.so\n")
    for items, user, password, does_match in PAM_CALLS:
        is_right, lines = authenticate(own_server, items, user, password)
        assert is_right == (password == PASSWORD and user == "alice"), lines
        wanted = [items[0].removeprefix("rhost=")] if does_match else []
        assert matches(own_server, lines) == wanted, lines
    own_server.shell(f"mv {STORE} {STORE}.away")
    try:
        is_right, lines = authenticate(own_server, *PAM_CALLS[0][:3])
        assert not is_right and "store" in "\n".join(lines)
        assert not matches(own_server, lines), lines
    finally:
        own_server.shell(f"mv {STORE}.away {STORE}")


# The firewall is the host's: the jail has no action here.
LOCAL = """
[DEFAULT]
ignoreself = false
[sshd]
enabled = false
[mailauth]
action =
"""


def test_the_jail_bans_who_guesses_and_nobody_else(server):
    install(server)
    server.path("/etc/fail2ban/jail.local").write_text(LOCAL)
    server.run("fail2ban-client", "start")
    try:
        end = server.endpoints[-1]
        for source, user, tries in (("127.0.0.8", "x rhost=9.9.9.9  user=y", 5),
                                    ("127.0.0.9", "alice", 4)):
            for _ in range(tries):
                with Connection(end, server.certificate, source=source) as link:
                    assert log_in(link, "SCRAM-SHA-256", user, "x") is Outcome.REFUSED

        def banned():
            return server.run("fail2ban-client", "get", "mailauth", "banip").stdout.split()

        wait_for("the ban", banned)
        assert banned() == ["127.0.0.8"]
        seen = server.run("fail2ban-client", "status", "mailauth").stdout
        assert "Total failed:\t9" in seen, seen
    finally:
        server.run("fail2ban-client", "stop")
