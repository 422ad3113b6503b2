# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Cyrus IMAP: imapd and pop3d, set up as docs/cyrus.md tells an administrator to."""
from mailserver import DOCS, MailServer

PROGRAM = "/usr/sbin/cyrmaster"
PACKAGE = """
id cyrus >/dev/null 2>&1 || useradd -r -g mail -d /var/spool/cyrus -s /bin/sh cyrus
rm -rf /var/lib/cyrus /var/spool/cyrus
mkdir -p /var/lib/cyrus /var/spool/cyrus /var/spool/sieve /run/cyrus/lock
cp /usr/lib/cyrus/cyrus-hardwired-config.txt /usr/lib/cyrus/cyrus-hardwired-config.active
chown cyrus:mail /var/lib/cyrus /var/spool/cyrus /var/spool/sieve /run/cyrus /run/cyrus/lock
"""
# Everybody who logs in gets a mailbox; no waiting, neither after errors nor between POP3 logins.
MACHINE = {"autocreate_quota": "0", "failedloginpause": "0", "popminpoll": "0"}


class Cyrus(MailServer):
    """Ports: "imap", "pop3" (STARTTLS, STLS), "imaps", "pop3s" (TLS)."""

    packages = "cyrus"
    services = ("imap", "imaps", "pop3", "pop3s")
    logins = (("imap", "imap", "imaps"), ("pop3", "pop3", "pop3s"))
    sasl_conf = "/etc/imapd.conf"
    sasl_prefix = "sasl_"
    certificate_path = "/etc/cyrus/tls/cert.pem"
    certificate_owner = "cyrus:mail"
    # Who is still served is cut off.
    stop_command = "kill $(pgrep -u cyrus); sleep 0.1; kill -KILL $(pgrep -u cyrus) || :"

    def configure(self):
        self.shell(PACKAGE)
        for name, value in MACHINE.items():
            self.set_option(self.sasl_conf, f"{name}: {value}")
        self.shell("/usr/lib/cyrus/bin/makedirs")

    def install_docs(self):
        self.shell("mkdir -p /etc/cyrus"
                   f"; grep -o '^[a-z_]*:' '{DOCS}/cyrus/imapd.conf' | while read -r key; do"
                   '   sed -i "/^$key/d" /etc/imapd.conf; done'
                   f"; cat '{DOCS}/cyrus/imapd.conf' >>/etc/imapd.conf"
                   r"""; sed -i -E 's/#((imaps|pop3s).*"(imapd|pop3d) -s)/\1/' /etc/cyrus.conf""")
        self._keep_services()

    def _keep_services(self):
        """Of Debian's services the four under test, on loopback, and none of its daily work."""
        conf = self.path("/etc/cyrus.conf")
        kept = []
        for line in conf.read_text().splitlines():
            word = line.split()[0] if line.split() else "#"
            if word in ("START", "SERVICES", "EVENTS", "}", "recover", *self.services):
                kept.append(line.replace('listen="', 'listen="127.0.0.1:'))
        conf.write_text("\n".join(kept) + "\n")

    def start(self):
        self.run("usermod", "-a", "-G", "mailauth", "cyrus")
        self.run(PROGRAM, "-d", "-l", "32", "-C", "/etc/imapd.conf", "-M", "/etc/cyrus.conf",
                 "-p", "/run/cyrus/master.pid")
        self.wait_for_ports()
