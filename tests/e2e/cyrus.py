# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Cyrus IMAP: imapd and pop3d, set up as docs/cyrus.md tells an administrator to."""
from mailserver import DOCS, Endpoint, MailServer, is_open, wait_for

PROGRAM = "/usr/sbin/cyrmaster"
PID_FILE = "/run/cyrus/master.pid"
PACKAGE = """
id cyrus >/dev/null 2>&1 || useradd -r -g mail -d /var/spool/cyrus -s /bin/sh cyrus
rm -rf /var/lib/cyrus /var/spool/cyrus /etc/sasl2 /etc/sasldb2
mkdir -p /var/lib/cyrus /var/spool/cyrus /var/spool/sieve /run/cyrus/lock
cp /usr/lib/cyrus/cyrus-hardwired-config.txt /usr/lib/cyrus/cyrus-hardwired-config.active
chown cyrus:mail /var/lib/cyrus /var/spool/cyrus /var/spool/sieve /run/cyrus /run/cyrus/lock
"""
# Everybody who logs in gets a mailbox; no waiting, neither after errors nor between POP3 logins.
MACHINE = {"autocreate_quota": "0", "failedloginpause": "0", "popminpoll": "0"}


class Cyrus(MailServer):
    """Ports: .imap, .pop3 (STARTTLS, STLS), .imaps, .pop3s (TLS)."""

    packages = "cyrus"
    services = ("imap", "imaps", "pop3", "pop3s")
    sasl_conf = "/etc/imapd.conf"
    sasl_prefix = "sasl_"
    certificate_path = "/etc/cyrus/tls/cert.pem"
    certificate_owner = "cyrus:mail"

    def __init__(self, run, tree):
        super().__init__(run, tree)
        self.imap, self.imaps, self.pop3, self.pop3s = self.ports.values()

    @property
    def endpoints(self):
        return [Endpoint("imap", self.imap, "none"), Endpoint("imap", self.imap, "starttls"),
                Endpoint("imap", self.imaps, "tls"),
                Endpoint("pop3", self.pop3, "none"), Endpoint("pop3", self.pop3, "starttls"),
                Endpoint("pop3", self.pop3s, "tls")]

    def configure(self):
        self.shell(PACKAGE)
        for name, value in MACHINE.items():
            self.set_option(self.sasl_conf, f"{name}: {value}")
        self.shell("/usr/lib/cyrus/bin/makedirs")

    def install_docs(self):
        self.shell("mkdir -p /etc/cyrus /etc/sasl2"
                   f"; cp '{DOCS}/saslpasswd.conf' /etc/sasl2/saslpasswd.conf"
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
                 "-p", PID_FILE)
        self.wait_for_ports()

    def reload(self):
        """A restart, as with `systemctl restart cyrus-imapd`: who is still served is cut off."""
        self.shell("kill $(pgrep -u cyrus); sleep 0.1; kill -KILL $(pgrep -u cyrus) || :")
        wait_for("Cyrus to end", lambda: not any(is_open(port) for port in self.ports.values()))
        self.start()
