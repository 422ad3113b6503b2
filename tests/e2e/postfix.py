# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Postfix with a chrooted smtpd, set up as docs/postfix.md tells an administrator to.

The configuration is Debian's own plus the very files of docs/postfix/. Only what belongs to the
machine is set here: its name, where mail goes (nowhere: transport discard), where the log is, and
which port numbers "smtp", "submission" and "submissions" stand for.
"""
import shutil
import socket
import time

from sandbox import REPO, Failure, Sandbox

HOSTNAME = "mail.example.test"
DOCS = REPO / "docs"
LOG = "/var/log/mail.log"
JAIL = "/var/spool/postfix"
MACHINE = {
    "myhostname": HOSTNAME,
    "mydestination": "",
    "inet_interfaces": "127.0.0.1",
    "inet_protocols": "ipv4",
    "alias_maps": "",
    "default_transport": "discard:",
    "maillog_file": LOG,
    # One process per port, so that a test knows which one it talks to; no waiting after errors.
    "default_process_limit": "1",
    "smtpd_error_sleep_time": "0",
    "smtpd_soft_error_limit": "1000",
    "smtpd_hard_error_limit": "1000",
}


def free_ports(count):
    """Port numbers of 127.0.0.1 that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for sock in sockets:
        sock.bind(("127.0.0.1", 0))
    ports = [sock.getsockname()[1] for sock in sockets]
    for sock in sockets:
        sock.close()
    return ports


def wait_for(what, condition, seconds=15):
    """Waits until condition() is true and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.02)


def is_open(port):
    """Does anybody listen there?"""
    with socket.socket() as sock:
        sock.settimeout(5)
        return sock.connect_ex(("127.0.0.1", port)) == 0


class Postfix(Sandbox):
    """A running Postfix. Ports: .smtp, .submission (STARTTLS), .submissions (TLS)."""

    realm = HOSTNAME

    def __init__(self, run, tree):
        if not shutil.which("postfix", path="/usr/sbin"):
            raise Failure("Postfix is missing: apt-get install postfix")
        super().__init__(run, tree, HOSTNAME)
        self.smtp, self.submission, self.submissions = free_ports(3)
        self._configure()
        self._make_certificate()
        self.install_docs()

    def _configure(self):
        self.shell("rm -rf /etc/postfix/sasl /etc/postfix/tls /etc/sasl2 /etc/sasldb2"
                   f" {JAIL}/pid /var/lib/postfix/master.lock"
                   "; cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf"
                   "; cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf")
        ports = (f"smtp={self.smtp}, submission={self.submission},"
                 f" submissions={self.submissions}")
        settings = {**MACHINE, "known_tcp_ports": ports}
        self.run("postconf", "-e", *(f"{key}={value}" for key, value in settings.items()))

    def _make_certificate(self):
        self.shell("mkdir -p -m 0700 /etc/postfix/tls"
                   "; openssl req -x509 -newkey rsa:2048 -nodes -days 2"
                   f" -subj /CN={HOSTNAME}"
                   f" -addext subjectAltName=DNS:{HOSTNAME},DNS:localhost,IP:127.0.0.1"
                   " -keyout /etc/postfix/tls/key.pem -out /etc/postfix/tls/cert.pem"
                   "; chmod 0600 /etc/postfix/tls/key.pem")

    @property
    def certificate(self):
        """The server's certificate, for clients to trust."""
        return self.path("/etc/postfix/tls/cert.pem")

    def install_docs(self):
        """What docs/postfix.md says."""
        self.shell("mkdir -p /etc/postfix/sasl /etc/sasl2"
                   f"; cp '{DOCS}/postfix/smtpd.conf' /etc/postfix/sasl/smtpd.conf"
                   f"; cp '{DOCS}/saslpasswd.conf' /etc/sasl2/saslpasswd.conf"
                   f"; grep '^[a-z]' '{DOCS}/postfix/main.cf' | while read -r line; do"
                   '   postconf -e "$line"; done'
                   f"; cat '{DOCS}/postfix/master.cf' >>/etc/postfix/master.cf")

    def start(self):
        """Starts Postfix the way Debian's service does, and waits for its ports."""
        self.shell("/usr/lib/postfix/configure-instance.sh - || :; postfix start")
        for port in (self.smtp, self.submission, self.submissions):
            wait_for(f"port {port}", lambda port=port: is_open(port))
        # The knock has made master start an smtpd per port: they are ready once they log it.
        wait_for("smtpd", lambda: self.path(LOG).read_text().count(": disconnect from ") >= 3)

    def reload(self):
        """postfix reload; afterwards connections meet a new smtpd."""
        old = self.smtpd_pids()
        self.run("postfix", "reload")
        wait_for("smtpd to end", lambda: not old & self.smtpd_pids())
        self.settle()

    def smtpd_pids(self):
        """The smtpd processes there are, numbered as in the log."""
        return set(self.run("pgrep", "-x", "smtpd", check=False).stdout.split())

    def settle(self):
        """Waits until the log has everything up to now."""
        mark = f"mark-{time.monotonic_ns()}"
        self.run("postlog", "-p", "info", "-t", "e2e", mark)
        wait_for("the log", lambda: mark in self.path(LOG).read_text())

    def log_size(self):
        """Where the log ends now; for log_since()."""
        self.settle()
        return self.path(LOG).stat().st_size

    def log_since(self, start):
        """The lines logged after log_size() returned `start`."""
        self.settle()
        text = self.path(LOG).read_bytes()[start:].decode("utf-8", "replace")
        return [line for line in text.splitlines() if " e2e[" not in line]

    def mailuser(self, *args, stdin=None, check=True):
        """Runs mailuser in the sandbox."""
        return self.run("mailuser", *args, stdin=stdin, check=check)

    def set_sasl_option(self, line):
        """Appends to smtpd.conf; needs reload()."""
        with self.path("/etc/postfix/sasl/smtpd.conf").open("a") as conf:
            conf.write(f"{line}\n")
