# SPDX-License-Identifier: BSD-2-Clause
"""What the mail servers of the end-to-end tests have in common.

A server runs in a sandbox with the files of docs/NAME/ and its own package's configuration. Only
what belongs to the machine is set by the tests: its name, where mail goes (nowhere), addresses, and
which port numbers "smtp", "pop3s" and so on stand for.

Sendmail, Exim and Cyrus conflict with Postfix as packages. They are unpacked, not installed, under
the folder that MAILAUTH_SERVERS names; scripts/test does that.
"""
import dataclasses
import itertools
import os
import pathlib
import random
import socket
import time

from sandbox import REPO, Failure, Sandbox

HOSTNAME = "mail.example.test"
DOCS = REPO / "docs"
SYSLOG = "/var/log/syslog"
OUTGOING_PORTS = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")
STOCK_MECHANISMS = "libplain liblogin libcrammd5 libdigestmd5 libscram".split()
OWN_MECHANISMS = "PLAIN LOGIN CRAM-MD5 DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256"


@dataclasses.dataclass(frozen=True)
class Endpoint:
    """A port, and one way to speak to it: protocol "smtp", "pop3" or "imap"; tls "none",
    "starttls" (STLS in POP3) or "tls" (from the first byte)."""
    protocol: str
    port: int
    tls: str


def _own_ports():
    """Port numbers, each once: below those that the kernel gives to outgoing connections, so that
    none is taken between its choice and its server's start (not even by the connection that looks
    whether the server is there yet). Tests that run side by side take each its own."""
    first_outgoing = int(OUTGOING_PORTS.read_text().split()[0])
    step = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    usable = range(10000 + worker, min(first_outgoing, 65536), step)
    start = random.randrange(len(usable))  # another one than other runs on this machine
    yield from usable[start:]
    yield from usable[:start]


PORTS = _own_ports()


def free_ports(count):
    """Port numbers of 127.0.0.1 that nobody listens on, and that are not given out again."""
    return list(itertools.islice(filter(is_free, PORTS), count))


def is_free(port):
    """Could a server listen there?"""
    with socket.socket() as sock:
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def wait_for(what, condition, seconds=60):
    """Waits until condition() is true and returns what it returned. The time is for a machine that is
    busy with other things; only a test that fails takes it."""
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


def unpacked(name):
    """The folder of a server's unpacked packages."""
    folder = os.environ.get("MAILAUTH_SERVERS")
    if not folder:
        raise Failure("MAILAUTH_SERVERS is not set: it names a folder for the packages of Sendmail,"
                      " Exim and Cyrus. Choose one, then, in bash as root:"
                      " . scripts/packages.sh; packages_servers FOLDER")
    tree = pathlib.Path(folder).resolve() / name
    if not tree.is_dir():
        raise Failure(f"{tree} is missing; in bash as root:"
                      f" . scripts/packages.sh; packages_servers {folder}")
    return tree


class MailServer(Sandbox):
    """A server that is set up when the object is made, and runs after start()."""

    realm = HOSTNAME         # of accounts whose users type none
    packages = None          # folder of its unpacked packages; None: it is installed
    services = ()            # the names of its ports
    logins = ()              # (protocol, its port with STARTTLS, its port with TLS), by these names
    stop_command = ""        # in the shell
    sasl_conf = ""           # where its SASL options stand ...
    sasl_prefix = ""         # ... and what each begins with
    certificate_path = ""
    certificate_owner = "root:root"
    certificate_modes = ("0700", "0600")  # of the folder and of the key

    def __init__(self, run, tree):
        trees = [tree] if self.packages is None else [tree, unpacked(self.packages)]
        super().__init__(run, trees, HOSTNAME)
        try:
            self.ports = dict(zip(self.services, free_ports(len(self.services))))
            self._name_ports()
            self.configure()
            self.shell("rm -rf /etc/sasl2 /etc/sasldb2; mkdir /etc/sasl2"
                       f"; cp '{DOCS}/saslpasswd.conf' /etc/sasl2/saslpasswd.conf")
            self.install_docs()
            self._make_certificate()
        except BaseException:
            self.close()
            raise

    # ---- what a server has to bring ----------------------------------------------------------

    def configure(self):
        """What belongs to the machine, and what the package's installation would have done."""
        raise NotImplementedError

    def install_docs(self):
        """What docs/NAME.md says, beside saslpasswd.conf, which is there already."""
        raise NotImplementedError

    def start(self):
        """Starts the server and waits for its ports."""
        raise NotImplementedError

    # ---- shared ------------------------------------------------------------------------------

    def reload(self):
        """Makes a running server read its configuration; later connections meet the new one.
        Here by a restart, as with `systemctl restart NAME`."""
        self.shell(self.stop_command)
        wait_for(f"{type(self).__name__} to end",
                 lambda: not any(is_open(port) for port in self.ports.values()))
        self.start()

    @property
    def endpoints(self):
        """The ports where users log in, with every kind of TLS, as Endpoint objects."""
        return [Endpoint(protocol, self.ports[name], tls)
                for protocol, plain, wrapped in self.logins
                for name, tls in ((plain, "none"), (plain, "starttls"), (wrapped, "tls"))]

    def _name_ports(self):
        lines = "".join(f"{name} {port}/tcp\n" for name, port in self.ports.items())
        services = self.path("/etc/services")
        rest = services.read_text() if services.exists() else ""
        services.write_text(lines + rest)

    def _make_certificate(self):
        cert = pathlib.Path(self.certificate_path)
        key = cert.with_name("key.pem")
        folder_mode, key_mode = self.certificate_modes
        self.shell(f"mkdir -p -m {folder_mode} {cert.parent}; cd {cert.parent}"
                   "; openssl req -x509 -newkey rsa:2048 -nodes -days 2"
                   f" -subj /CN={HOSTNAME}"
                   f" -addext subjectAltName=DNS:{HOSTNAME},DNS:localhost,IP:127.0.0.1"
                   f" -keyout {key} -out {cert}"
                   f"; chmod {key_mode} {key}; chown {self.certificate_owner} . {key}")

    @property
    def certificate(self):
        """The server's certificate, for clients to trust."""
        return self.path(self.certificate_path)

    def wait_for_ports(self):
        """Waits until every port answers."""
        for name, port in self.ports.items():
            wait_for(f"{self.hostname}: port {name}", lambda port=port: is_open(port))

    def mailuser(self, *args, stdin=None, check=True):
        """Runs mailuser in the sandbox."""
        return self.run("mailuser", *args, stdin=stdin, check=check)

    def set_sasl_option(self, line):
        """Sets "name: value" in the SASL configuration; call before start(), or reload()
        afterwards."""
        self.set_option(self.sasl_conf, f"{self.sasl_prefix}{line}")

    def set_option(self, file, line):
        """Replaces the line of that name or appends one."""
        path, name = self.path(file), line.split(":")[0] + ":"
        kept = [old for old in path.read_text().splitlines() if not old.startswith(name)]
        path.write_text("\n".join([*kept, line]) + "\n")

    def use_own_mechanisms(self):
        """Takes libsasl2's own mechanisms away and lets ours take their place; call before
        start()."""
        for name in STOCK_MECHANISMS:
            self.shell(f"rm -f /usr/lib/*/sasl2/{name}.so*")
        self.set_sasl_option(f"mailauth_mechs: {OWN_MECHANISMS}")

    # ---- log ---------------------------------------------------------------------------------

    log_path = SYSLOG

    def settle(self):
        """Waits until the log has everything up to now."""
        mark = f"mark-{time.monotonic_ns()}"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
            sock.sendto(f"<22>e2e[0]: {mark}".encode(), str(self.path("/dev/log")))
        wait_for("the log", lambda: mark in self.path(self.log_path).read_text())

    def log_size(self):
        """Where the log ends now; for log_since()."""
        self.settle()
        return self.path(self.log_path).stat().st_size

    def log_since(self, start):
        """The lines logged after log_size() returned `start`."""
        self.settle()
        text = self.path(self.log_path).read_bytes()[start:].decode("utf-8", "replace")
        return [line for line in text.splitlines() if " e2e[" not in line]


class SmtpServer(MailServer):
    """A server that takes mail. Ports: .smtp, .submission (STARTTLS), .submissions (TLS)."""

    services = ("smtp", "submission", "submissions")
    logins = (("smtp", "submission", "submissions"),)

    def __init__(self, run, tree):
        super().__init__(run, tree)
        self.smtp, self.submission, self.submissions = self.ports.values()
