# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Dovecot with `passdb pam`, set up as docs/dovecot.md tells an administrator to."""
import pam
from mailserver import DOCS, HOSTNAME, MailServer

PACKAGE = r"""
for user in dovecot dovenull; do
    id $user >/dev/null 2>&1 || useradd -r -U -M -s /usr/sbin/nologin $user
done
cp -a /usr/share/dovecot/dovecot.conf /usr/share/dovecot/conf.d /etc/dovecot
mkdir -p /var/lib/dovecot
for protocol in imap pop3; do
    echo "protocols = \$protocols $protocol" >/usr/share/dovecot/protocols.d/${protocol}d.protocol
done
# which the package ssl-cert makes
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost \
    -keyout /etc/dovecot/private/dovecot.key -out /etc/dovecot/private/dovecot.pem 2>/dev/null
"""
# As the package's ports, by other numbers; on loopback. No waiting but libpam's.
PORTS = """
listen = 127.0.0.1
auth_failure_delay = 0
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = {pop3s}
  }}
}}
"""


class Dovecot(MailServer):
    """Ports: "imap", "pop3" (STARTTLS, STLS), "imaps", "pop3s" (TLS)."""

    packages = "dovecot"
    services = ("imap", "imaps", "pop3", "pop3s")
    logins = (("imap", "imap", "imaps"), ("pop3", "pop3", "pop3s"))
    certificate_path = "/etc/dovecot/tls/cert.pem"
    stop_command = "doveadm stop"

    def configure(self):
        self.shell(PACKAGE)

    def install_docs(self):
        pam.install(self)
        self.shell("id vmail >/dev/null 2>&1 ||"
                   "   useradd -r -U -M -d /var/mail/mailauth -s /usr/sbin/nologin vmail"
                   "; install -d -o vmail -g vmail -m 0700 /var/mail/mailauth"
                   f"; cp '{DOCS}/dovecot/auth-mailauth.conf.ext' /etc/dovecot/conf.d/"
                   "; sed -i 's/^!include auth-system/!include auth-mailauth/'"
                   "   /etc/dovecot/conf.d/10-auth.conf"
                   f"; cp '{DOCS}/dovecot/local.conf' /etc/dovecot/local.conf"
                   f"; echo 'auth_default_realm = {HOSTNAME}' >>/etc/dovecot/local.conf")
        with self.path("/etc/dovecot/local.conf").open("a", encoding="utf-8") as conf:
            conf.write(PORTS.format(**self.ports))

    def start(self):
        # The daemon keeps what it is given.
        self.shell("dovecot </dev/null >/run/dovecot.out 2>&1 || { cat /run/dovecot.out; exit 1; }")
        self.wait_for_ports()
