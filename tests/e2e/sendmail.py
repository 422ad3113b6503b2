# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Sendmail, set up as docs/sendmail.md tells an administrator to."""
from mailserver import DOCS, SmtpServer

PROGRAM = "/usr/libexec/sendmail/sendmail"
# No DNS, and all mail goes nowhere; a busy machine is no reason to turn clients away.
MACHINE = """
define(`confQUEUE_LA', `10000')dnl
define(`confREFUSE_LA', `10000')dnl
FEATURE(`nocanonify')dnl
FEATURE(`accept_unresolvable_domains')dnl
define(`SMART_HOST', `nowhere:here')dnl
"""
NOWHERE = """
MAILER_DEFINITIONS
Mnowhere, P=/usr/bin/dd, F=lsDFMmnSu, S=EnvFromL, R=EnvToL, T=DNS/RFC822/X-Unix,
        A=dd of=/dev/null status=none
"""
PACKAGE = f"""
groupadd -r smmta; useradd -r -g smmta -d /var/lib/sendmail -s /usr/sbin/nologin smmta
groupadd -r smmsp; useradd -r -g smmsp -d /var/lib/sendmail -s /usr/sbin/nologin smmsp
mkdir -p /var/spool/mqueue /var/lib/sendmail/host_status /run/sendmail/mta /run/sendmail/msp
chown smmta:smmsp /var/spool/mqueue /run/sendmail/mta; chmod 2750 /var/spool/mqueue
touch /etc/mail/local-host-names /var/lib/sendmail/sendmail.st; : >/etc/mail/aliases
cp /etc/mail/service.switch-nodns /etc/mail/service.switch
chgrp smmsp {PROGRAM}; chmod 2755 {PROGRAM}
"""


class Sendmail(SmtpServer):
    """Debian's sendmail, with the sendmail.cf that sendmail.mc makes."""

    packages = "sendmail"
    sasl_conf = "/etc/sasl2/Sendmail.conf"
    certificate_path = "/etc/mail/tls/cert.pem"
    stop_command = "kill $(head -n 1 /run/sendmail/mta/sendmail.pid)"

    def configure(self):
        self.shell(PACKAGE)

    def install_docs(self):
        self.run("cp", DOCS / "sendmail" / "Sendmail.conf", "/etc/sasl2/Sendmail.conf")
        text = (DOCS / "sendmail" / "sendmail.mc").read_text()
        text = text.replace("Family=inet,", "Family=inet, Addr=127.0.0.1,")
        text = text.replace("MAILER(`local')", MACHINE + "MAILER(`local')") + NOWHERE
        self.path("/etc/mail/sendmail.mc").write_text(text)
        # Without makeinfo.sh, which wants to write to /tmp; its comment is nothing to Sendmail.
        self.shell("m4 -D_NO_MAKEINFO_ /etc/mail/sendmail.mc >/etc/mail/sendmail.cf")

    def start(self):
        self.run(PROGRAM, "-bd", "-q1h")
        self.wait_for_ports()
