# SPDX-License-Identifier: BSD-2-Clause
"""Real mail clients behind one call: a login, and how it ended.

Each is a function login(endpoint, mech, user, password, certificate) that returns an Outcome and
raises Unexpected, with all that was said, where the login neither succeeded nor was refused. `mech`
is a SASL mechanism, "APOP", or "USER" for POP3's USER and PASS and IMAP's LOGIN command. It is the
client itself that says UNSUPPORTED; what is expected of whom stands in test_matrix.py.

CLIENTS is the registry. Programs get the password through a file, their environment or standard
input where they have a way; gsasl has none.
"""
import dataclasses
import imaplib
import json
import os
import pathlib
import poplib
import re
import select
import smtplib
import subprocess
import tempfile
import typing

import byhand
import saslclient
from wire import NAME, TIMEOUT, Outcome, Unexpected, ending, tls_context

HERE = pathlib.Path(__file__).resolve().parent
HOST = "127.0.0.1"
SENDER = "alice@mail.example.test"
NOWHERE = "@"  # a recipient every server refuses: the login is what counts


# ---- reading what a program printed ----------------------------------------------------------

def run(argv, stdin="", **env):
    """Runs a program; returns it with .output, what it printed."""
    done = subprocess.run(argv, input=stdin, capture_output=True, encoding="utf-8",
                          errors="replace", timeout=3 * TIMEOUT, check=False,
                          env={**os.environ, "LC_ALL": "C.UTF-8", **env})
    done.output = done.stdout + done.stderr
    return done


def outcome_of(protocol, done, pattern):
    """The outcome in the server's lines, which the pattern finds in what the program printed.

    In POP3 and IMAP every command has a reply that could be the login's. So there the exit status
    tells whether it worked, and the last line that can be a refusal which one it was."""
    lines = re.findall(pattern, done.output, re.MULTILINE)
    endings = [found for found in (ending(protocol, line.strip()) for line in lines) if found]
    if protocol == "smtp" and endings:
        return endings[0]
    if protocol != "smtp" and done.returncode == 0:
        return Outcome.ACCEPTED
    refusals = [found for found in endings if found is not Outcome.ACCEPTED]
    if protocol != "smtp" and refusals:
        return refusals[-1]
    raise Unexpected(f"{done.args[0]} exited with {done.returncode}:\n{done.output}")


def private_files(**texts):
    """A folder with these files in it, readable by their owner only; use with `with`."""
    folder = tempfile.TemporaryDirectory(prefix="mailauth-client.")
    for name, text in texts.items():
        path = pathlib.Path(folder.name) / name
        path.touch(mode=0o600)
        path.write_text(text, encoding="utf-8")
    return folder


def quote(text, mark='\\"'):
    """A string of curl's configuration; of fetchmail's with another word for the mark."""
    return '"' + text.replace("\\", "\\\\").replace('"', mark) + '"'


# ---- Python's standard library ---------------------------------------------------------------

def python_smtp(endpoint, mech, user, password, certificate):
    """smtplib"""
    method = "auth_" + mech.lower().replace("-", "_")
    if not hasattr(smtplib.SMTP, method):
        return Outcome.UNSUPPORTED
    context = tls_context(certificate)
    if endpoint.tls == "tls":
        smtp = smtplib.SMTP_SSL(HOST, endpoint.port, NAME, timeout=TIMEOUT, context=context)
    else:
        smtp = smtplib.SMTP(HOST, endpoint.port, NAME, timeout=TIMEOUT)
    try:
        if endpoint.tls == "starttls":
            smtp.starttls(context=context)
        smtp.ehlo()
        smtp.user, smtp.password = user, password
        code, text = smtp.auth(mech, getattr(smtp, method))
    except UnicodeEncodeError:
        return Outcome.UNSUPPORTED
    except smtplib.SMTPAuthenticationError as error:
        code, text = error.smtp_code, error.smtp_error
    finally:
        smtp.close()
    return _ended("smtp", f"{code} {text.decode()}")


def python_pop3(endpoint, mech, user, password, certificate):
    """poplib"""
    if mech not in ("APOP", "USER"):
        return Outcome.UNSUPPORTED
    context = tls_context(certificate)
    if endpoint.tls == "tls":
        pop = poplib.POP3_SSL(HOST, endpoint.port, timeout=TIMEOUT, context=context)
    else:
        pop = poplib.POP3(HOST, endpoint.port, timeout=TIMEOUT)
    try:
        if endpoint.tls == "starttls":
            pop.stls(context)
        if mech == "USER":
            pop.user(user)
        line = pop.pass_(password) if mech == "USER" else pop.apop(user, password)
    except poplib.error_proto as error:
        line = error.args[0]
    finally:
        pop.quit()
    return _ended("pop3", line.decode())


def python_imap(endpoint, mech, user, password, certificate):
    """imaplib; its authenticate() leaves the mechanism to the caller, as programs that use it do"""
    if mech not in ("USER", "CRAM-MD5", "PLAIN"):
        return Outcome.UNSUPPORTED
    context = tls_context(certificate)
    if endpoint.tls == "tls":
        imap = imaplib.IMAP4_SSL(HOST, endpoint.port, ssl_context=context, timeout=TIMEOUT)
    else:
        imap = imaplib.IMAP4(HOST, endpoint.port, timeout=TIMEOUT)
    with imap:
        if endpoint.tls == "starttls":
            imap.starttls(context)
        try:
            if mech == "USER":
                status, data = imap.login(user, password)
            elif mech == "PLAIN":
                status, data = imap.authenticate(mech, lambda _: f"\0{user}\0{password}".encode())
            else:
                status, data = imap.login_cram_md5(user, password)
        except UnicodeEncodeError:
            return Outcome.UNSUPPORTED
        except imaplib.IMAP4.error as error:
            status, data = "NO", [error.args[0]]
    return _ended("imap", f"a {status} {data[-1]}")


def _ended(protocol, line):
    outcome = ending(protocol, line)
    if outcome is None:
        raise Unexpected(line)
    return outcome


# ---- programs --------------------------------------------------------------------------------

def swaks(endpoint, mech, user, password, certificate):
    """swaks; DIGEST-MD5 is Perl's Authen::SASL, the rest its own"""
    tls = {"none": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}[endpoint.tls]
    verify = ["--tls-verify", "--tls-ca-path", certificate] if tls else []
    done = run(["swaks", "--server", HOST, "--port", str(endpoint.port), *tls, *verify,
                "--auth", mech, "--auth-user", user, "--quit-after", "AUTH", "--from", SENDER,
                "--to", SENDER, "--helo", NAME, "--timeout", str(TIMEOUT)],
               SWAKS_OPT_auth_password=password)
    if f"{mech} is not a recognized auth type" in done.output:
        return Outcome.UNSUPPORTED
    return outcome_of("smtp", done, r"^<[-~*]{1,2} +(.*)$")


def curl(endpoint, mech, user, password, certificate):
    """curl, with libcurl's own mechanisms"""
    scheme = endpoint.protocol + ("s" if endpoint.tls == "tls" else "")
    tls = ["--ssl-reqd"] if endpoint.tls == "starttls" else []
    option = f"AUTH={'+' if mech == 'APOP' else ''}{mech}"
    noop = ["--request", "NOOP"] if endpoint.protocol == "smtp" else []
    done = run(["curl", "--disable", "--config", "-", "--silent", "--show-error", "--verbose",
                "--noproxy", "*", "--max-time", str(TIMEOUT), "--cacert", certificate, *tls, *noop,
                "--login-options", option, f"{scheme}://{HOST}:{endpoint.port}/"],
               stdin=f"user = {quote(f'{user}:{password}')}\n")
    offered = re.search(rf"^< .*\b{mech}\b", done.output, re.MULTILINE)
    if done.returncode == 3 or offered and "No known authentication mechanisms" in done.output:
        return Outcome.UNSUPPORTED  # 3: unknown login option
    return outcome_of(endpoint.protocol, done, r"^< (.*)$")


UNPREPARED = "Could not prepare internationalized (non-ASCII) string"  # SASLprep said no


def gsasl(endpoint, mech, user, password, certificate):
    """gsasl, of GNU SASL"""
    if endpoint.protocol == "pop3" or endpoint.tls == "tls":
        return Outcome.UNSUPPORTED
    # Without --starttls, which says STARTTLS before EHLO, gsasl does it where it is offered.
    tls = ["--no-starttls"] if endpoint.tls == "none" else ["--x509-ca-file", certificate]
    # It asks for the quality of protection auth-int by default, and Sendmail would have that.
    done = run(["gsasl", f"--{endpoint.protocol}", "--verbose", f"--mechanism={mech}", *tls,
                f"--authentication-id={user}", f"--password={password}", "--no-cb",
                "--quality-of-protection=qop-auth", f"--connect={HOST}:{endpoint.port}"])
    if "gsasl: mechanism unavailable" in done.output or UNPREPARED in done.output:
        return Outcome.UNSUPPORTED
    if tls[0] != "--no-starttls" and "TLS session info" not in done.output:
        raise Unexpected(f"no TLS:\n{done.output}")
    return outcome_of(endpoint.protocol, done, r"^(.*)$")


def msmtp(endpoint, mech, user, password, certificate):
    """msmtp, with libgsasl's mechanisms"""
    with _msmtprc(endpoint, mech, user, password, certificate) as folder:
        done = run(["msmtp", "--debug", f"--file={folder}/config", "--", NOWHERE],
                   "Subject: e2e\n\nhello\n", HOME=folder)
    if f"invalid argument {mech.lower()} for command" in done.output or UNPREPARED in done.output:
        return Outcome.UNSUPPORTED
    return outcome_of("smtp", done, r"^<-- (.*)$")


def mpop(endpoint, mech, user, password, certificate):
    """mpop: USER and APOP are its own, the rest is libgsasl's"""
    with _msmtprc(endpoint, mech, user, password, certificate) as folder:
        done = run(["mpop", "--debug", "--auth-only", f"--file={folder}/config"], HOME=folder)
    if f"invalid argument {mech.lower()} for command" in done.output or UNPREPARED in done.output:
        return Outcome.UNSUPPORTED
    return outcome_of("pop3", done, r"^<-- (.*)$")


def _msmtprc(endpoint, mech, user, password, certificate):
    """msmtp and mpop read the same kind of file."""
    lines = ["defaults", "account default", f"host {HOST}", f"port {endpoint.port}",
             f"auth {mech.lower()}", f"user {user}", "tls_trust_file " + certificate,
             f"tls {'off' if endpoint.tls == 'none' else 'on'}",
             f"tls_starttls {'on' if endpoint.tls == 'starttls' else 'off'}"]
    lines += [f"from {SENDER}"] if endpoint.protocol == "smtp" else ["delivery mbox /dev/null"]
    folder = private_files(password=password + "\n")
    config = pathlib.Path(folder.name, "config")
    config.touch(mode=0o600)
    config.write_text("\n".join([*lines, f"passwordeval cat {folder.name}/password", ""]))
    return folder


OCTAL_QUOTE = "\\042"


def fetchmail(endpoint, mech, user, password, certificate):
    """fetchmail, with mechanisms of its own"""
    proto, auth = {"APOP": ("APOP", "any"), "USER": (endpoint.protocol, "password")}.get(
        mech, (endpoint.protocol, mech.lower()))
    tls = {"none": "sslproto ''", "starttls": "sslproto 'tls1.2+'", "tls": "ssl"}[endpoint.tls]
    config = (f"poll localhost service {endpoint.port} proto {proto} auth {auth}\n"
              f"user {quote(user)} password {quote(password, OCTAL_QUOTE)} {tls}\n"
              f"sslcertck sslcertfile {quote(certificate)}\n")
    with private_files(config=config) as folder:
        done = run(["fetchmail", "--check", "-v", "-v", "--nodetach", "--nosyslog", "--pidfile",
                    f"{folder}/pid", "--fetchmailrc", f"{folder}/config"],
                   FETCHMAILHOME=folder, HOME=folder)
    if "syntax error" in done.output:
        return Outcome.UNSUPPORTED
    if done.returncode == 1:  # logged in, and no mail there
        done.returncode = 0
    return outcome_of(endpoint.protocol, done, r"^fetchmail: [A-Z0-9]+< (.*)$")


def mbsync(endpoint, mech, user, password, certificate):
    """mbsync, with libsasl2's mechanisms"""
    if mech == "LOGIN":  # with that word it sends the command
        return Outcome.UNSUPPORTED
    tls = {"none": "None", "starttls": "STARTTLS", "tls": "IMAPS"}[endpoint.tls]
    mech = "LOGIN" if mech == "USER" else mech
    with private_files(password=password + "\n") as folder:
        config = pathlib.Path(folder, "config")
        config.write_text(f"IMAPStore server\nHost localhost\nPort {endpoint.port}\n"
                          f"User {user}\nPassCmd \"cat {folder}/password\"\nSSLType {tls}\n"
                          f"AuthMechs {mech}\nSystemCertificates no\n"
                          f"CertificateFile {certificate}\n"
                          f"\nMaildirStore here\nInbox {folder}/inbox\n"
                          "\nChannel c\nFar :server:\nNear :here:\n")
        done = run(["mbsync", "--list", "--debug-net", "--config", config, "c"], HOME=folder)
    return outcome_of("imap", done, r"^(?:F: )?(.*)$")


# ---- Ruby and PHP, one process for all logins ------------------------------------------------

class Worker:
    """A script that does a login for each line of JSON it reads, and says how it ended."""

    def __init__(self, *argv):
        self._argv, self._process = argv, None

    def ask(self, **job):
        """Runs one login."""
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE,
                                             stdout=subprocess.PIPE, encoding="utf-8",
                                             env={**os.environ, "LC_ALL": "C.UTF-8"})
        print(json.dumps(job), file=self._process.stdin, flush=True)
        # A line at a time, so nothing is buffered while select() looks.
        if not select.select([self._process.stdout], [], [], TIMEOUT)[0]:
            self._process.kill()
        line = self._process.stdout.readline()
        if not line:
            raise Unexpected(f"{self._argv[0]} ended with {self._process.wait()}, or was ended")
        return json.loads(line)


RUBY = Worker("ruby", HERE / "client.rb")
PHP = Worker("php", HERE / "client.php")


def ruby(endpoint, mech, user, password, certificate):
    """Ruby's net-smtp, net-pop and net-imap"""
    return _work(RUBY, endpoint, mech, user, password, certificate)


def php(endpoint, mech, user, password, certificate):
    """PHP's Net_SMTP with Auth_SASL, which is what Roundcube sends with"""
    return _work(PHP, endpoint, mech, user, password, certificate)


def _work(worker, endpoint, mech, user, password, certificate):
    reply = worker.ask(protocol=endpoint.protocol, port=endpoint.port, tls=endpoint.tls, mech=mech,
                       user=user, password=password, certificate=str(certificate))
    if "line" in reply:
        return _ended(endpoint.protocol, reply["line"])
    if "unsupported" in reply:
        return Outcome.UNSUPPORTED
    raise Unexpected(reply["error"])


# ---- the registry ----------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Client:
    """One client for one protocol."""
    protocol: str
    login: typing.Callable
    sasl: str              # whose mechanisms it has
    program: bool = False  # a process for each login, so several may run at once


CLIENTS = {
    "byhand-smtp": Client("smtp", byhand.attempt, "tests"),
    "byhand-pop3": Client("pop3", byhand.attempt, "tests"),
    "byhand-imap": Client("imap", byhand.attempt, "tests"),
    "libsasl2-smtp": Client("smtp", saslclient.attempt, "libsasl2"),
    "libsasl2-pop3": Client("pop3", saslclient.attempt, "libsasl2"),
    "libsasl2-imap": Client("imap", saslclient.attempt, "libsasl2"),
    "smtplib": Client("smtp", python_smtp, "Python"),
    "poplib": Client("pop3", python_pop3, "Python"),
    "imaplib": Client("imap", python_imap, "Python"),
    "swaks": Client("smtp", swaks, "Perl", True),
    "curl-smtp": Client("smtp", curl, "libcurl", True),
    "curl-pop3": Client("pop3", curl, "libcurl", True),
    "curl-imap": Client("imap", curl, "libcurl", True),
    "gsasl-smtp": Client("smtp", gsasl, "GNU SASL", True),
    "gsasl-imap": Client("imap", gsasl, "GNU SASL", True),
    "msmtp": Client("smtp", msmtp, "GNU SASL", True),
    "mpop": Client("pop3", mpop, "GNU SASL", True),
    "fetchmail-pop3": Client("pop3", fetchmail, "fetchmail", True),
    "fetchmail-imap": Client("imap", fetchmail, "fetchmail", True),
    "mbsync": Client("imap", mbsync, "libsasl2", True),
    "ruby-smtp": Client("smtp", ruby, "Ruby"),
    "ruby-pop3": Client("pop3", ruby, "Ruby"),
    "ruby-imap": Client("imap", ruby, "Ruby"),
    "php": Client("smtp", php, "PHP"),
}
