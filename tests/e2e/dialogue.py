# SPDX-License-Identifier: BSD-2-Clause
"""One login, each mechanism over SMTP, POP3 or IMAP, with Python's own libraries.

connect() gives a connection past STARTTLS; attempt() makes one attempt on one of its own and
returns a Reply with the server's last words. A mechanism is a function of user, password and
service that returns another one, from the server's challenge to the answer.
"""
import base64
import dataclasses
import hashlib
import hmac
import imaplib
import poplib
import re
import secrets
import smtplib
import ssl

TIMEOUT = 20


@dataclasses.dataclass
class Reply:
    """What the server answered in the end."""
    accepted: bool
    text: str


def plain(user, password, _service):
    """RFC 4616."""
    return lambda challenge: f"\0{user}\0{password}".encode()


def login(user, password, _service):
    """Two questions without a standard."""
    answers = iter([user, password])
    return lambda challenge: next(answers).encode()


def cram_md5(user, password, _service=None):
    """RFC 2195."""
    return lambda challenge: (
        f"{user} {hmac.new(password.encode(), challenge, 'md5').hexdigest()}".encode())


def digest_md5(user, password, service):
    """RFC 2831, without a security layer."""
    def answer(challenge):
        if challenge.startswith(b"rspauth="):
            return b""
        given = dict(re.findall(r'([a-z]+)="?([^",]*)"?', challenge.decode()))
        realm, nonce, cnonce = given["realm"], given["nonce"], secrets.token_hex(8)
        uri = f"{service}/{realm}"
        first = hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()
        first = hashlib.md5(first + f":{nonce}:{cnonce}".encode()).hexdigest()
        second = hashlib.md5(f"AUTHENTICATE:{uri}".encode()).hexdigest()
        response = hashlib.md5(f"{first}:{nonce}:00000001:{cnonce}:auth:{second}".encode())
        return (f'charset=utf-8,username="{user}",realm="{realm}",nonce="{nonce}",nc=00000001,'
                f'cnonce="{cnonce}",digest-uri="{uri}",response={response.hexdigest()},'
                "qop=auth").encode()
    return answer


def scram(name):
    """RFC 5802, without channel binding; the passwords here need no SASLprep."""
    def new(user, password, _service):
        bare = f"n={user},r={secrets.token_hex(8)}"

        def answer(challenge):
            if challenge.startswith(b"v="):
                return b""
            if not challenge:
                return f"n,,{bare}".encode()
            given = dict(part.split("=", 1) for part in challenge.decode().split(","))
            salted = hashlib.pbkdf2_hmac(name, password.encode(), base64.b64decode(given["s"]),
                                         int(given["i"]))
            key = hmac.digest(salted, b"Client Key", name)
            final = f"c=biws,r={given['r']}"
            signed = f"{bare},{challenge.decode()},{final}".encode()
            sign = hmac.digest(hashlib.new(name, key).digest(), signed, name)
            proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, sign))).decode()
            return f"{final},p={proof}".encode()
        return answer
    return new


MECHANISMS = {"PLAIN": plain, "LOGIN": login, "CRAM-MD5": cram_md5, "DIGEST-MD5": digest_md5,
              "SCRAM-SHA-1": scram("sha1"), "SCRAM-SHA-256": scram("sha256")}


class Smtp:
    """An SMTP connection, past EHLO."""

    def __init__(self, port, tls, context, source=None):
        if tls == "tls":
            self.link = smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=TIMEOUT)
        else:
            self.link = smtplib.SMTP("127.0.0.1", port, timeout=TIMEOUT,
                                     source_address=source and (source, 0))
        if tls == "starttls":
            self.link.starttls(context=context)
        self.link.ehlo("client.example.test")
        self.close = self.link.close

    def offered(self):
        """The mechanisms of the greeting."""
        return self.link.esmtp_features.get("auth", "").split()

    def attempt(self, mechanism, answer):
        """One AUTH command."""
        code, text = self.link.docmd("AUTH", mechanism)
        while code == 334:
            reply = base64.b64encode(answer(base64.b64decode(text)))
            code, text = self.link.docmd(reply.decode())
        return Reply(code == 235, f"{code} {text.decode()}")


class Pop3:
    """A POP3 connection."""

    def __init__(self, port, tls, context):
        if tls == "tls":
            self.link = poplib.POP3_SSL("127.0.0.1", port, context=context, timeout=TIMEOUT)
        else:
            self.link = poplib.POP3("127.0.0.1", port, timeout=TIMEOUT)
        if tls == "starttls":
            self.link.stls(context)
        self.close = self.link.close

    def offered(self):
        """The mechanisms of CAPA."""
        return self.link.capa().get("SASL", [])

    def attempt(self, mechanism, answer):
        """One AUTH command, which poplib does not know."""
        try:
            line = self.link._shortcmd(f"AUTH {mechanism}")  # pylint: disable=protected-access
            while line.startswith(b"+ "):
                reply = base64.b64encode(answer(base64.b64decode(line[2:])))
                line = self.link._shortcmd(reply.decode())  # pylint: disable=protected-access
        except poplib.error_proto as error:
            line = error.args[0]
        return Reply(line.startswith(b"+OK"), line.decode())

    def command(self, method, *args):
        """One of poplib's calls, as a Reply: "apop", "user", "pass_"."""
        try:
            line = getattr(self.link, method)(*args)
        except poplib.error_proto as error:
            line = error.args[0]
        return Reply(line.startswith(b"+OK"), line.decode())


class Imap:
    """An IMAP connection."""

    def __init__(self, port, tls, context):
        if tls == "tls":
            self.link = imaplib.IMAP4_SSL("127.0.0.1", port, ssl_context=context, timeout=TIMEOUT)
        else:
            self.link = imaplib.IMAP4("127.0.0.1", port, timeout=TIMEOUT)
        if tls == "starttls":
            self.link.starttls(context)
        self.close = self.link.shutdown

    def offered(self):
        """The mechanisms of CAPABILITY."""
        return [word[5:] for word in self.link.capabilities if word.startswith("AUTH=")]

    def attempt(self, mechanism, answer):
        """One AUTHENTICATE command."""
        try:
            _, text = self.link.authenticate(mechanism, answer)
        except imaplib.IMAP4.error as error:
            return Reply(False, str(error))
        return Reply(True, text[0].decode())


PROTOCOLS = {"smtp": Smtp, "pop3": Pop3, "imap": Imap}


def connect(server, endpoint, **options):
    """A connection to one of server.endpoints; close() it."""
    context = ssl.create_default_context(cafile=server.certificate)
    return PROTOCOLS[endpoint.protocol](endpoint.port, endpoint.tls, context, **options)


def attempt(server, endpoint, mechanism, user, password):
    """One attempt on a connection of its own."""
    link = connect(server, endpoint)
    try:
        service = {"pop3": "pop"}.get(endpoint.protocol, endpoint.protocol)
        return link.attempt(mechanism, MECHANISMS[mechanism](user, password, service))
    finally:
        link.close()
