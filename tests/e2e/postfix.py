# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Postfix with a chrooted smtpd, set up as docs/postfix.md tells an administrator to."""
import shutil
import time

from mailserver import DOCS, HOSTNAME, SmtpServer, wait_for
from sandbox import Failure

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
    # With a single process Postfix takes two clients at once for an attack, and hurries them.
    "smtpd_timeout": "300s",
    "smtpd_starttls_timeout": "300s",
}


class Postfix(SmtpServer):
    """Debian's postfix, which logs to a file of its own."""

    sasl_conf = "/etc/postfix/sasl/smtpd.conf"
    certificate_path = "/etc/postfix/tls/cert.pem"
    log_path = LOG

    def __init__(self, run, tree):
        if not shutil.which("postfix", path="/usr/sbin"):
            raise Failure("Postfix is missing: apt-get install postfix")
        super().__init__(run, tree)

    def configure(self):
        self.shell("rm -rf /etc/postfix/sasl /etc/postfix/tls"
                   f" {JAIL}/pid /var/lib/postfix/master.lock"
                   "; cp /usr/share/postfix/main.cf.debian /etc/postfix/main.cf"
                   "; cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf")
        ports = ", ".join(f"{name}={port}" for name, port in self.ports.items())
        settings = {**MACHINE, "known_tcp_ports": ports}
        self.run("postconf", "-e", *(f"{key}={value}" for key, value in settings.items()))

    def install_docs(self):
        self.shell("mkdir -p /etc/postfix/sasl"
                   f"; cp '{DOCS}/postfix/smtpd.conf' /etc/postfix/sasl/smtpd.conf"
                   f"; grep '^[a-z]' '{DOCS}/postfix/main.cf' | while read -r line; do"
                   '   postconf -e "$line"; done'
                   f"; cat '{DOCS}/postfix/master.cf' >>/etc/postfix/master.cf")

    def start(self):
        """Starts Postfix the way Debian's service does."""
        self.shell("/usr/lib/postfix/configure-instance.sh - || :; postfix start")
        self.wait_for_ports()
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
        """Postfix writes its log itself, so the mark takes the same way."""
        mark = f"mark-{time.monotonic_ns()}"
        self.run("postlog", "-p", "info", "-t", "e2e", mark)
        wait_for("the log", lambda: mark in self.path(LOG).read_text())
