# SPDX-License-Identifier: BSD-2-Clause
"""The PAM module as pamtester, passwd and chpasswd meet it, with /etc/pam.d as docs/pam.md says.

What needs no system is in tests/pam/test_pam.c.
"""
import json
import pathlib
import re
import socket
import time

import pytest

import pam
from conftest import PASSWORD, YESTERDAY
from mailserver import DOCS, HOSTNAME, SYSLOG, wait_for

NEW = "Quite-another 1"
WATCHED = re.compile(  # fail2ban's filter pam-generic matches this
    r"pam_mailauth\((\S+)\): authentication failure; logname=\S* uid=\d+ euid=\d+ tty=\S*"
    r" ruser=\S* rhost=(\S*) (?: user=(.*))?$")
ACCOUNTS = {
    "alice": ["-G", "smtp,imap"],
    "eve-expired": ["-e", YESTERDAY],
    "lou-locked": [],
    "max-must-change": [],
}


@pytest.fixture(scope="module", name="box")
def fixture_box(tree, tmp_path_factory):
    """A machine with the accounts above."""
    with pam.PamBox(tmp_path_factory.mktemp("pam") / "run", tree) as box:
        for name, options in ACCOUNTS.items():
            box.add(name, *options, password=PASSWORD)
        box.run("mailuser", "passwd", "--lock", "lou-locked")
        box.run("mailuser", "chage", "-d", "0", "max-must-change")
        box.run("useradd", "-u", "4711", "-M", "caller")
        yield box


def log_lines(box, start=0):
    """What was logged since the log had that size."""
    mark = f"mark-{time.monotonic_ns()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.sendto(f"<22>e2e[0]: {mark}".encode(), str(box.path("/dev/log")))
    path = box.path(SYSLOG)
    wait_for("the log", lambda: mark in path.read_text())
    return path.read_bytes()[start:].decode("utf-8", "replace").splitlines()


def log_size(box):
    """Where the log ends now."""
    return box.path(SYSLOG).stat().st_size


def watched(box, start):
    """The failures that a log watcher counts: service, address, user."""
    return [found.groups() for line in log_lines(box, start) if (found := WATCHED.search(line))]


def test_exports_only_what_libpam_calls(box):
    found = box.shell("nm -D --defined-only /usr/lib/*/security/pam_mailauth.so").stdout
    assert sorted(line.split()[-1] for line in found.splitlines()) == sorted(
        f"pam_sm_{name}" for name in ("authenticate", "setcred", "acct_mgmt", "chauthtok",
                                      "open_session", "close_session"))


# ---- auth and account ----------------------------------------------------------------------

AUTH = "pamtester: successfully authenticated"
ACCOUNT = "pamtester: account management done."
ASKED = {  # typed, what pamtester says to authenticate and to acct_mgmt
    "right": ("alice", [PASSWORD], AUTH, ACCOUNT),
    "with realm": (f"alice@{HOSTNAME}", [PASSWORD], AUTH, ACCOUNT),
    "capitals": ("ALICE", [PASSWORD], AUTH, ACCOUNT),
    "wrong": ("alice", [PASSWORD + "r"], "Authentication failure", ACCOUNT),
    "empty": ("alice", [""], "Authentication failure", ACCOUNT),
    "1 MB": ("alice", ["x" * 2**20], "Authentication failure", ACCOUNT),
    "no conversation": ("alice", [], "Conversation error", ACCOUNT),
    "unknown": ("nobody-here", [PASSWORD], "User not known to the underlying",
                "User not known to the underlying"),
    "locked": ("lou-locked", [PASSWORD], "Authentication failure", "Permission denied"),
    "expired": ("eve-expired", [PASSWORD], AUTH, "User account has expired"),
    "must change": ("max-must-change", [PASSWORD], AUTH,
                    "Authentication token is no longer valid; new one required"),
    "not in the group": ("eve-expired", [PASSWORD], AUTH, "User account has expired"),
}


@pytest.mark.parametrize("case", ASKED)
def test_pamtester_authenticate_and_acct_mgmt(box, case):
    user, typed, auth, account = ASKED[case]
    pam.write_service(box, "mail", "auth required pam_mailauth.so",
                      "account required pam_mailauth.so")
    good, said = box.pamtester("mail", user, "authenticate", typed=typed)
    assert good == (auth == AUTH) and auth in said, said
    good, said = box.pamtester("mail", user, "acct_mgmt")
    assert good == (account == ACCOUNT) and account in said, said


def test_the_shipped_services_ask_for_their_group(box):
    for service, good in (("smtp", True), ("imap", True), ("pop", False), ("pop3", False)):
        got, said = box.pamtester(service, "alice", "authenticate", "acct_mgmt", "open_session",
                                  "close_session", typed=[PASSWORD])
        assert got == good, said
        assert good or "Permission denied" in said


def test_failures_are_logged_in_the_words_of_pam_unix(box):
    start = log_size(box)
    box.pamtester("smtp", "alice", "authenticate", typed=["Secr3t-typo"],
                  items=["rhost=192.0.2.7"])
    box.pamtester("smtp", "Secr3t-name", "authenticate", typed=[PASSWORD],
                  items=["rhost=2001:db8::7"])
    assert watched(box, start) == [("smtp:auth", "192.0.2.7", "alice"),
                                   ("smtp:auth", "2001:db8::7", None)]
    log = "\n".join(log_lines(box, start))
    assert "Secr3t" not in log and PASSWORD not in log


def test_success_is_silent_and_debug_is_not(box):
    pam.write_service(box, "quiet", "auth required pam_mailauth.so")
    pam.write_service(box, "debug", "auth required pam_mailauth.so debug")
    start = log_size(box)
    assert box.pamtester("quiet", "alice", "authenticate", typed=[PASSWORD])[0]
    assert [line for line in log_lines(box, start) if "mailauth" in line] == []
    assert box.pamtester("debug", "alice", "authenticate", typed=[PASSWORD])[0]
    assert any("mailauth login: result=ok reason=ok" in line for line in log_lines(box, start))


def waits(box, typed):
    """How long libpam's delay is after that password, as system calls; none: empty."""
    box.run("strace", "-qq", "-e", "signal=none", "-o", "/run/waits", "-e",
            "trace=select,pselect6,nanosleep,clock_nanosleep", "pamtester", "smtp", "alice",
            "authenticate", stdin=f"{typed}\n", check=False)
    return box.path("/run/waits").read_text()


def test_an_outage_is_nobodys_wrong_password(box):
    start, key = log_size(box), "/etc/mailauth/store.key"
    box.run("mv", key, f"{key}.away")
    try:
        for typed in (PASSWORD, "wrong"):
            good, said = box.pamtester("smtp", "alice", "authenticate", typed=[typed])
            assert not good and "cannot retrieve authentication info" in said, said
        assert "cannot retrieve" in box.pamtester("smtp", "alice", "acct_mgmt")[1]
        assert not box.pamtester("smtp", "alice", "chauthtok", typed=[NEW, NEW])[0]
        assert not waits(box, PASSWORD)
    finally:
        box.run("mv", f"{key}.away", key)
    assert watched(box, start) == []
    assert any("mailauth key:" in line and "store.key" in line for line in log_lines(box, start))
    assert box.pamtester("smtp", "alice", "authenticate", typed=[PASSWORD])[0]
    assert waits(box, "wrong") and not waits(box, PASSWORD)


def test_logins_go_on_where_the_store_cannot_be_written(box):
    folder = "/var/lib/mailauth"
    box.shell(f"mount --bind {folder} {folder}; mount -o remount,ro,bind {folder}")
    try:
        assert box.pamtester("smtp", "alice", "authenticate", "acct_mgmt", typed=[PASSWORD])[0]
        assert not box.pamtester("smtp", "alice", "chauthtok", typed=[NEW, NEW])[0]
    finally:
        box.shell(f"umount {folder}")
    assert box.knows("alice", PASSWORD)


def test_a_program_needs_to_read_the_store(box):
    """root may, and the group mailauth; anybody else learns nothing from the module."""
    def ask(*groups):
        return box.run("setpriv", "--reuid=4711", "--regid=4711", *groups, "pamtester", "smtp",
                       "alice", "authenticate", stdin=PASSWORD + "\n", check=False)
    done = ask("--clear-groups")
    assert done.returncode and "cannot retrieve authentication info" in done.stdout + done.stderr
    gid = box.run("getent", "group", "mailauth").stdout.split(":")[2]
    assert ask(f"--groups={gid}").returncode == 0


# ---- password ------------------------------------------------------------------------------

def test_root_changes_a_password_without_the_old_one(box):
    box.add("rita", password=PASSWORD)
    assert box.pamtester("smtp", "rita", "chauthtok", typed=[NEW, NEW])[0]
    assert box.knows("rita", NEW) and not box.knows("rita", PASSWORD)
    assert box.knows("rita", NEW, "SCRAM-SHA-256") and box.knows("rita", NEW, "DIGEST-MD5")


REFUSED = {  # how the account is, what is typed
    "wrong old": ([], [PASSWORD + "r", NEW, NEW]),
    "empty old": ([], ["", NEW, NEW]),
    "unchanged": ([], [PASSWORD, PASSWORD, PASSWORD]),
    "mistyped": ([], [PASSWORD, NEW, NEW + "r"]),
    "empty new": ([], [PASSWORD, "", ""]),
    "too young": (["-m", "3"], [PASSWORD, NEW, NEW]),
    "expired": (["-E", YESTERDAY], [PASSWORD, NEW, NEW]),
    "too late": (["-d", "2020-01-01", "-M", "10", "-I", "5"], [PASSWORD, NEW, NEW]),
    "gave up": ([], [PASSWORD]),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_user_cannot_change_a_password(box, case):
    ageing, typed = REFUSED[case]
    name = "ulf-" + case.replace(" ", "-")
    box.add(name, password=PASSWORD)
    if ageing:
        box.run("mailuser", "chage", *ageing, name)
    before = box.secrets(name)
    good, said = box.pamtester("smtp", name, "chauthtok", typed=typed, as_uid=4711)
    assert not good, said
    assert box.secrets(name) == before


def test_a_user_changes_his_password(box):
    box.add("uta", password=PASSWORD)
    good, said = box.pamtester("smtp", "uta", "chauthtok", typed=[PASSWORD, NEW, NEW],
                               as_uid=4711)
    assert good, said
    assert box.knows("uta", NEW)
    box.run("mailuser", "chage", "-d", "0", "uta")
    good, said = box.pamtester("smtp", "uta", "chauthtok(PAM_CHANGE_EXPIRED_AUTHTOK)",
                               typed=[NEW, PASSWORD, PASSWORD], as_uid=4711)
    assert good, said
    assert box.pamtester("smtp", "uta", "acct_mgmt")[1].count("Permission denied")  # the group
    assert box.knows("uta", PASSWORD)


def test_the_second_round_wants_a_good_first_one(box):
    """libpam calls an `optional` module in the second round whatever it said in the first."""
    box.add("otto", password=PASSWORD)
    pam.write_service(box, "loose", "password optional pam_mailauth.so",
                      "password required pam_permit.so")
    good, _ = box.pamtester("loose", "otto", "chauthtok", typed=["wrong", NEW, NEW], as_uid=4711)
    assert good and box.knows("otto", PASSWORD) and not box.knows("otto", NEW)


# ---- Unix users ----------------------------------------------------------------------------

@pytest.fixture(scope="module", name="unix")
def fixture_unix(tree, tmp_path_factory):
    """A machine with Debian's profile, as docs/pam.md has it, and Unix users with mail accounts."""
    with pam.PamBox(tmp_path_factory.mktemp("unix") / "run", tree) as box:
        # First Debian's own files, whatever was done to the host's.
        box.shell("export DEBIAN_FRONTEND=noninteractive; pam-auth-update --package --force"
                  f"; cp '{DOCS}/pam/mailauth' /usr/share/pam-configs/mailauth"
                  "; pam-auth-update --package")
        for name in ("uma", "udo", "una", "nomail", "drift"):
            box.run("useradd", "-M", name)
            if name != "nomail":
                box.add(name)
        box.run("chpasswd", stdin="".join(f"{name}:{PASSWORD}\n" for name in (
            "uma", "udo", "nomail", "drift")))
        yield box


def common(box, stage):
    """The lines of one of the common files, without comments."""
    text = box.path(f"/etc/pam.d/common-{stage}").read_text()
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


def test_the_profile_puts_the_module_behind_pam_unix(unix):
    for stage, arguments in (("auth", ["capture"]), ("account", ["capture"]),
                             ("password", ["use_authtok", "capture"])):
        lines = common(unix, stage)
        assert [stage, "optional", "pam_mailauth.so", *arguments] in lines
        modules = [line for line in lines if line[0] == stage]
        places = [next(i for i, line in enumerate(modules) if name in line)
                  for name in ("pam_unix.so", "pam_deny.so", "pam_mailauth.so")]
        assert places == sorted(places), "a wrong password must not get past pam_deny"
    unix.shell("pam-auth-update --package --remove mailauth")
    assert not any("pam_mailauth.so" in line for line in common(unix, "auth"))
    unix.shell("DEBIAN_FRONTEND=noninteractive pam-auth-update --package --enable mailauth")
    assert any("pam_mailauth.so" in line for line in common(unix, "auth"))


def test_chpasswd_sets_the_mail_password_too(unix):
    unix.run("chpasswd", stdin=f"una:{NEW}\n")
    for mech in ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"):
        assert unix.knows("una", NEW, mech), mech


def test_passwd_keeps_the_mail_password_in_step(unix):
    code, shown = unix.passwd("uma", PASSWORD, NEW, NEW)
    assert code == 0, shown
    assert unix.knows("uma", NEW) and not unix.knows("uma", PASSWORD)


def test_passwd_that_fails_changes_neither(unix):
    before = unix.secrets("udo"), unix.run("getent", "shadow", "udo").stdout
    for typed in ([PASSWORD + "r", NEW, NEW], [PASSWORD, NEW, NEW + "r"], [PASSWORD, "abc", "abc"]):
        code, shown = unix.passwd("udo", *typed)
        assert code == 10 and "password unchanged" in shown, shown
        assert (unix.secrets("udo"), unix.run("getent", "shadow", "udo").stdout) == before


def test_passwd_of_a_user_without_mail_works_as_before(unix):
    before = unix.run("getent", "shadow", "nomail").stdout
    code, shown = unix.passwd("nomail", PASSWORD, NEW, NEW)
    assert code == 0, shown
    assert unix.run("getent", "shadow", "nomail").stdout != before
    assert unix.run("mailuser", "show", "nomail", check=False).returncode != 0


def test_passwords_that_drifted_apart_meet_again(unix):
    unix.run("mailuser", "passwd", "--stdin", "drift", stdin="only for mail\n")
    code, shown = unix.passwd("drift", PASSWORD, NEW, NEW)
    assert code == 0 and "Current password" in shown, shown
    assert shown.lower().count("current password") == 1, shown
    assert unix.knows("drift", NEW) and not unix.knows("drift", "only for mail")


def test_without_capture_the_old_mail_password_has_to_be_right(unix):
    unix.run("useradd", "-M", "strict")
    unix.add("strict", password="only for mail")
    unix.run("usermod", "-p", unix.run("openssl", "passwd", "-6", PASSWORD).stdout.strip(),
             "strict")
    saved = unix.path("/etc/pam.d/passwd").read_text()
    try:
        pam.write_service(unix, "passwd", "password required pam_unix.so",
                          "password optional pam_mailauth.so use_authtok")
        assert unix.passwd("strict", PASSWORD, NEW, NEW)[0] == 0
        assert unix.knows("strict", "only for mail") and not unix.knows("strict", NEW)
        unix.run("mailuser", "passwd", "--stdin", "strict", stdin=f"{NEW}\n")
        assert unix.passwd("strict", NEW, PASSWORD + "2", PASSWORD + "2")[0] == 0
        assert unix.knows("strict", PASSWORD + "2")
    finally:
        unix.path("/etc/pam.d/passwd").write_text(saved)


# ---- capture -------------------------------------------------------------------------------

def unix_user(box, name, password):
    """A Unix user whose mail account has no password."""
    box.run("useradd", "-M", "-p", box.run("openssl", "passwd", "-6", password).stdout.strip(),
            name)
    box.add(name)


def has_secrets(box, name):
    """Does the account hold any secret?"""
    return bool(json.loads(box.secrets(name))["secrets"])


# Stacks in which pam_unix asks first: Debian's own, as a service without a file gets it, and by
# hand.
CAPTURING = {
    "profile": None,
    "required": ["auth required pam_unix.so", "auth optional pam_mailauth.so capture",
                 "account required pam_unix.so", "account optional pam_mailauth.so capture"],
    "requisite": ["auth requisite pam_unix.so", "auth optional pam_mailauth.so capture",
                  "account required pam_unix.so", "account optional pam_mailauth.so capture"],
    "required twice": ["auth required pam_unix.so", "auth required pam_mailauth.so capture",
                       "account required pam_unix.so", "account required pam_mailauth.so"],
}


def capturing_service(box, stack):
    """Writes the service; returns its name."""
    service = "capture-" + stack.replace(" ", "-")
    if CAPTURING[stack]:
        pam.write_service(box, service, *CAPTURING[stack])
    return service


@pytest.mark.parametrize("stack", CAPTURING)
def test_a_unix_password_is_captured_at_the_first_login(unix, stack):
    service, name = capturing_service(unix, stack), "cap-" + stack.replace(" ", "-")
    unix_user(unix, name, PASSWORD)
    assert not has_secrets(unix, name)
    good, said = unix.pamtester(service, name, "authenticate", typed=[PASSWORD])
    assert good and not has_secrets(unix, name), said
    good, said = unix.pamtester(service, name, "authenticate", "acct_mgmt", typed=[PASSWORD])
    assert good, said
    for mech in ("CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"):
        assert unix.knows(name, PASSWORD, mech), mech


@pytest.mark.parametrize("stack", CAPTURING)
def test_a_password_that_pam_unix_refused_is_never_captured(unix, stack):
    """libpam goes on behind a `required` pam_unix that failed: the module sees the password."""
    service, name = capturing_service(unix, stack), "no-" + stack.replace(" ", "-")
    unix_user(unix, name, PASSWORD)
    before = unix.secrets(name)
    for operations in (["authenticate"], ["authenticate", "acct_mgmt"],
                       ["authenticate", "setcred", "open_session"]):
        good, said = unix.pamtester(service, name, *operations, typed=["An-intruder's 1"])
        assert not good and "Authentication failure" in said, said
        assert unix.secrets(name) == before


def test_setcred_captures_too(unix):
    service = capturing_service(unix, "requisite")
    unix_user(unix, "setcred", PASSWORD)
    good, said = unix.pamtester(service, "setcred", "authenticate", "setcred", typed=[PASSWORD])
    assert good and unix.knows("setcred", PASSWORD), said


def test_a_mail_password_of_its_own_is_left_alone(unix):
    service = capturing_service(unix, "requisite")
    unix_user(unix, "two-keys", PASSWORD)
    unix.run("mailuser", "passwd", "--stdin", "two-keys", stdin=f"{NEW}\n")
    before, start = unix.secrets("two-keys"), log_size(unix)
    assert unix.pamtester(service, "two-keys", "authenticate", "acct_mgmt", typed=[PASSWORD])[0]
    assert unix.secrets("two-keys") == before
    assert any("has another password for mail" in line for line in log_lines(unix, start))


# ---- documentation -------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["pam/smtp", "pam/imap", "pam/pop", "pam/mailauth",
                                  "pam/smtpd.conf", "dovecot/auth-mailauth.conf.ext",
                                  "dovecot/local.conf"])
def test_the_guides_name_every_file(name):
    guide = DOCS / f"{pathlib.Path(name).parent}.md"
    assert f"]({name})" in guide.read_text()
