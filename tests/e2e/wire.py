# SPDX-License-Identifier: BSD-2-Clause
"""A SASL dialogue over SMTP, POP3 or IMAP, one line at a time; what the Python clients stand on.

The mechanism is a generator (see byhand.py): its first value is the initial response, or None where
the server speaks first; then it is sent each challenge and gives the response. When the server has
accepted, it is sent None and has to end: one that still waits for the server's proof raises.
"""
import base64
import enum
import re
import socket
import ssl

TIMEOUT = 60
NAME = "client.example.test"


class Outcome(enum.Enum):
    """How a login ended."""
    ACCEPTED = "accepted"
    REFUSED = "refused"
    TEMPORARY = "temporary failure"
    UNSUPPORTED = "the client cannot do that"


class Unexpected(Exception):
    """Neither a login nor the refusal of one; holds what was said."""


# Replies that end a login. Sendmail and Exim have a temporary code each.
SMTP_CODES = {"235": Outcome.ACCEPTED, "535": Outcome.REFUSED,
              "454": Outcome.TEMPORARY, "435": Outcome.TEMPORARY}
LATER = re.compile(r"\[(SYS/TEMP|UNAVAILABLE|SERVERBUG)\]")


def ending(protocol, line):
    """The outcome a server's line stands for; None if it ends no login."""
    if protocol == "smtp":
        return SMTP_CODES.get(line[:3]) if line[3:4] in (" ", "-", "") else None
    status = line.split(" ", 1)[0] if protocol == "pop3" else (line.split(" ") + [""])[1]
    if status in ("+OK", "OK"):
        return Outcome.ACCEPTED
    if status in ("-ERR", "NO"):
        return Outcome.TEMPORARY if LATER.search(line) else Outcome.REFUSED
    return None


def tls_context(certificate):
    """Trusts that certificate alone."""
    return ssl.create_default_context(cafile=certificate)


class Connection:
    """A connection to an endpoint, past STARTTLS; use as a context manager. `source` is the
    client's address."""

    def __init__(self, endpoint, certificate, source=None):
        self.protocol, self.said = endpoint.protocol, []
        self._certificate = certificate
        self._tag = 0
        self.sock = socket.create_connection(("127.0.0.1", endpoint.port), TIMEOUT,
                                             source and (source, 0))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = None
        try:
            self._open(endpoint.tls)
        except BaseException:
            self.close()
            raise

    def _open(self, tls):
        if tls == "tls":
            self._wrap()
        self.file = self.sock.makefile("rb")
        self.reply()
        self.capabilities = self._ask_capabilities()
        if tls == "starttls":
            self.command({"smtp": "STARTTLS", "pop3": "STLS", "imap": "STARTTLS"}[self.protocol])
            self._wrap()
            self.file = self.sock.makefile("rb")
            self.capabilities = self._ask_capabilities()

    def _wrap(self):
        self.sock = tls_context(self._certificate).wrap_socket(
            self.sock, server_hostname="127.0.0.1")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Says goodbye. POP3 servers keep the mailbox locked until they have hung up."""
        try:
            if self.file:
                self.write({"imap": "z LOGOUT"}.get(self.protocol, "QUIT"))
                while self.protocol == "pop3" and self.file.readline():
                    pass
        except OSError:
            pass
        finally:
            self.sock.close()

    # ---- lines -------------------------------------------------------------------------------

    def write(self, line):
        """Sends a line of text or bytes."""
        data = line if isinstance(line, bytes) else line.encode()
        self.said.append(f"C: {data.decode('utf-8', 'replace')}")
        self.sock.sendall(data + b"\r\n")

    def readline(self):
        """The server's next line."""
        # A server that writes twice in a row waits for the first acknowledgement: 40 ms a login.
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
        data = self.file.readline()
        if not data:
            raise self.unexpected("the server hung up")
        self.said.append(f"S: {data.decode('utf-8', 'replace').rstrip()}")
        return data.decode("utf-8", "replace").rstrip("\r\n")

    def unexpected(self, what):
        """An exception with the whole conversation."""
        return Unexpected("\n".join([what, *self.said]))

    def reply(self):
        """The line that ends the server's reply: a status or a request to go on."""
        while True:
            line = self.readline()
            if self.protocol == "smtp" and line[3:4] == "-":
                continue
            if self.protocol == "imap" and line.startswith("* ") and self._tag:
                continue
            return line

    @property
    def last_words(self):
        """The server's last line, if nothing was sent since."""
        return self.said[-1].removeprefix("S: ")

    def command(self, text):
        """Sends a command that has to succeed."""
        line = self.ask(text)
        if not re.match(r"2\d\d|\+OK|\S+ OK", line):
            raise self.unexpected(f"{text} failed")

    def ask(self, text):
        """Sends a command; returns the line that ends the reply."""
        if self.protocol == "imap":
            self._tag += 1
            text = f"a{self._tag} {text}"
        self.write(text)
        return self.reply()

    def _ask_capabilities(self):
        """What the server says it can do, as lines in capitals."""
        start = len(self.said)
        ask = {"smtp": f"EHLO {NAME}", "pop3": "CAPA", "imap": "CAPABILITY"}[self.protocol]
        self.ask(ask)
        while self.protocol == "pop3" and self.said[-1] != "S: .":
            self.readline()
        return [line[3:].upper() for line in self.said[start:] if line.startswith("S: ")]

    @property
    def mechanisms(self):
        """The mechanisms offered, in the server's order, each as often as it is there."""
        if self.protocol == "imap":
            return re.findall(r"\bAUTH=(\S+)", "\n".join(self.capabilities))
        pattern = {"smtp": r"^250[- ]AUTH (.*)$", "pop3": r"^SASL (.*)$"}[self.protocol]
        found = re.search(pattern, "\n".join(self.capabilities), re.MULTILINE)
        return found.group(1).split() if found else []

    # ---- logins ------------------------------------------------------------------------------

    def authenticate(self, mech, steps, initial=True):
        """Runs a dialogue; `initial` sends the first message along where the protocol can."""
        first = next(steps)
        if self.protocol == "imap" and "SASL-IR" not in " ".join(self.capabilities):
            initial = False
        verb = "AUTHENTICATE" if self.protocol == "imap" else "AUTH"
        if first is not None and initial:
            line, first = self.ask(f"{verb} {mech} {encode(first) or '='}"), None
        else:
            line = self.ask(f"{verb} {mech}")
        while self._goes_on(line):
            if first is not None:
                answer, first = first, None
            else:
                answer = self._next(steps, self._challenge(line))
            self.write(encode(answer))
            line = self.reply()
        return self._end(line, steps)

    def _goes_on(self, line):
        return line.startswith("334") if self.protocol == "smtp" else line[:1] == "+" != line[1:2] \
            and not line.startswith("+OK")

    def _challenge(self, line):
        return base64.b64decode(line[4:] if self.protocol == "smtp" else line[2:])

    def _next(self, steps, challenge):
        try:
            return steps.send(challenge)
        except StopIteration:
            raise self.unexpected("the server wants more than the mechanism has") from None
        except ValueError as error:
            raise self.unexpected(str(error)) from error

    def _end(self, line, steps=()):
        outcome = ending(self.protocol, line)
        if outcome is None:
            raise self.unexpected("the login ended strangely")
        if outcome is Outcome.ACCEPTED and steps:
            try:
                steps.send(None)
            except StopIteration:
                return outcome
            except ValueError as error:
                raise self.unexpected(str(error)) from error
            raise self.unexpected("the server accepted before the dialogue was over")
        return outcome

    def apop(self, answer):
        """POP3's APOP; answer(timestamp) gives name and digest."""
        stamp = re.search(r"<[^<>]+>", self.said[0])
        if not stamp:
            raise self.unexpected("no timestamp in the greeting")
        return self._end(self.ask(f"APOP {answer(stamp.group())}"))

    def user(self, user, password):
        """POP3's USER and PASS, IMAP's LOGIN; None where the protocol has neither."""
        if self.protocol == "imap":
            return self._login(user, password)
        self.command(f"USER {user}")
        return self._end(self.ask(f"PASS {password}"))

    def _login(self, user, password):
        """Both as literals: a quoted string is for ASCII."""
        data = password.encode()
        line = self.ask(f"LOGIN {{{len(user.encode())}}}")
        for piece in (f"{user} {{{len(data)}}}", data):
            if not line.startswith("+"):
                raise self.unexpected("the server does not want the literal")
            self.write(piece)
            line = self.reply()
        return self._end(line)


def encode(message):
    """One message of a dialogue as a line."""
    return base64.b64encode(message).decode()
