# SPDX-License-Identifier: BSD-2-Clause
"""libpam in a sandbox: the files of docs/pam/, and programs that ask it."""
import glob
import pathlib
import socket

from mailserver import DOCS, HOSTNAME, wait_for
from postfix import Postfix
from sandbox import Failure, Sandbox

MODULES = "/usr/lib/*/security"
SASLAUTHD = "/var/spool/postfix/var/run/saslauthd"
PTY = pathlib.Path(__file__).with_name("typist.py")


def install(box):
    """Does what docs/pam.md says: the module where libpam looks, the services in /etc/pam.d."""
    folders = {str(pathlib.Path(path).parent) for path in glob.glob(f"{MODULES}/pam_unix.so")}
    if not any(box.path(f"{folder}/pam_mailauth.so").exists() for folder in folders):
        raise Failure(f"no pam_mailauth.so in {', '.join(folders)}: build with --prefix=/usr"
                      " and -Dpam=enabled")
    box.shell(f"for name in smtp imap pop; do cp '{DOCS}/pam/'$name /etc/pam.d/$name; done"
              "; cp /etc/pam.d/pop /etc/pam.d/pop3")


def write_service(box, name, *lines):
    """Writes /etc/pam.d/NAME."""
    box.path(f"/etc/pam.d/{name}").write_text("".join(f"{line}\n" for line in lines))


class PamBox(Sandbox):
    """A machine with accounts, and no server. Use as a context manager."""

    def __init__(self, run, tree):
        super().__init__(run, [tree], HOSTNAME)
        try:
            self.run("mailuser", "init")
            install(self)
            # terminals, for passwd
            self.shell("mkdir /dev/pts; ln -s pts/ptmx /dev/ptmx"
                       "; mount -t devpts -o newinstance,ptmxmode=0666 devpts /dev/pts")
        except BaseException:
            self.close()
            raise

    def add(self, name, *options, password=None):
        """Makes an account; without a password it has no secret."""
        options = ["--stdin", *options] if password else options
        self.run("mailuser", "add", *options, name, stdin=f"{password}\n" if password else None)

    def pamtester(self, service, user, *operations, typed=(), as_uid=None, items=()):
        """Runs pamtester, with `typed` as lines on its standard input; returns what it printed and
        whether it was content. `as_uid`: the caller is that user, the program root's, as passwd
        is."""
        argv = ["pamtester", *(f"-I{item}" for item in items), service, user, *operations]
        if as_uid is not None:
            script = (f"import os, sys; os.setresuid({as_uid}, 0, 0);"
                      " os.execvp(sys.argv[1], sys.argv[1:])")
            argv = ["/usr/bin/python3", "-c", script, *argv]
        done = self.run(*argv, stdin="".join(f"{line}\n" for line in typed), check=False)
        return done.returncode == 0, done.stdout + done.stderr

    def knows(self, name, password, mech="CRAM-MD5"):
        """Does the account serve the mechanism with this password?"""
        done = self.run("mailuser", "verify", "--mech", mech, "--stdin", name,
                        stdin=f"{password}\n", check=False)
        return done.returncode == 0

    def secrets(self, name):
        """What `mailuser show` says about an account."""
        return self.run("mailuser", "show", "--json", name).stdout

    def passwd(self, user, *typed):
        """That user's passwd(1), at a terminal; returns its exit code and what was shown."""
        done = self.run("/usr/bin/python3", "-B", PTY, user, *typed, check=False)
        return done.returncode, done.stdout + done.stderr


class SaslauthdPostfix(Postfix):
    """A Postfix that asks "saslauthd -a pam" about PLAIN and LOGIN."""

    def install_docs(self):
        super().install_docs()
        install(self)
        self.shell(f"cp '{DOCS}/pam/smtpd.conf' /etc/postfix/sasl/smtpd.conf"
                   f"; mkdir -p -m 0710 {SASLAUTHD}; chgrp sasl {SASLAUTHD}"
                   "; adduser --quiet postfix sasl")

    def start(self):
        self.run("saslauthd", "-a", "pam", "-r", "-n", "2", "-m", SASLAUTHD)
        wait_for("saslauthd", self._is_answered)
        super().start()

    def _is_answered(self):
        """Does saslauthd listen? Its socket is there before that."""
        with socket.socket(socket.AF_UNIX) as sock:
            return sock.connect_ex(str(self.path(f"{SASLAUTHD}/mux"))) == 0
