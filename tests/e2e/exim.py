# SPDX-License-Identifier: BSD-2-Clause
"""Debian's Exim (exim4-daemon-heavy), set up as docs/exim.md tells an administrator to."""
from mailserver import DOCS, HOSTNAME, SmtpServer

PROGRAM = "/usr/sbin/exim4"
PACKAGE = """
groupadd -r Debian-exim
useradd -r -g Debian-exim -d /var/spool/exim4 -s /usr/sbin/nologin Debian-exim
mkdir -p /var/spool/exim4 /var/log/exim4 /var/lib/exim4 /run/exim4
chown Debian-exim:Debian-exim /var/spool/exim4 /var/log/exim4 /run/exim4
"""
# What debconf would ask for. No DNS; "split" is the style that docs/exim.md is for.
DEBCONF = """
dc_eximconfig_configtype='internet'
dc_use_split_config='true'
dc_local_interfaces='127.0.0.1'
dc_minimaldns='true'
"""
# No DNS, one log for everything, no socket that all Exims of the host would share (it is in the
# network namespace), and all mail goes nowhere.
MACHINE = """
MAIN_HOST_LOOKUP =
log_file_path = syslog
syslog_timestamp = no
notifier_socket =
"""
NOWHERE = """
nowhere:
  driver = redirect
  data = :blackhole:
"""


class Exim(SmtpServer):
    """Debian's exim4, with its configuration in many files."""

    packages = "exim"
    sasl_conf = "/etc/sasl2/exim.conf"
    certificate_path = "/etc/exim4/tls/cert.pem"
    certificate_owner = "root:Debian-exim"
    certificate_modes = ("0750", "0640")
    stop_command = "kill $(cat /run/exim4/exim.pid)"

    def configure(self):
        self.shell(PACKAGE)
        self.path("/etc/mailname").write_text(f"{HOSTNAME}\n")
        self.path("/etc/exim4/update-exim4.conf.conf").write_text(DEBCONF)
        self.path("/etc/exim4/conf.d/main/00_machine").write_text(MACHINE)
        self.path("/etc/exim4/conf.d/router/01_nowhere").write_text(NOWHERE)

    def install_docs(self):
        self.shell(f"cp -r '{DOCS}/exim/conf.d' /etc/exim4"
                   f"; cp '{DOCS}/exim/exim.conf' /etc/sasl2/exim.conf")
        main = self.path("/etc/exim4/conf.d/main/000_mailauth")
        text = main.read_text()
        for number, port in zip(("25", "587", "465"), self.ports.values()):
            text = text.replace(f" {number}", f" {port}")
        main.write_text(text)

    def use_one_file(self):
        """What docs/exim.md says for a configuration that is not split; mail is not delivered."""
        self.shell("cd /etc/exim4; sed -i s/true/false/ update-exim4.conf.conf"
                   "; cat conf.d/main/00_machine conf.d/main/000_mailauth >>exim4.conf.localmacros"
                   "; sed -i '/^begin acl/r conf.d/acl/25_mailauth' exim4.conf.template"
                   "; cat conf.d/auth/40_mailauth >>exim4.conf.template")

    def start(self):
        self.run("usermod", "-a", "-G", "mailauth", "Debian-exim")
        self.shell(f"update-exim4.conf; {PROGRAM} -bd -q30m")
        self.wait_for_ports()
