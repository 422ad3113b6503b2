# SPDX-License-Identifier: BSD-2-Clause
"""The client's side of each mechanism, written here from the RFCs and independent of libmailauth.

Each is a generator as wire.py wants it. DIGEST-MD5 comes in the forms that clients are known to
send; the other mechanisms have one form.
"""
import base64
import dataclasses
import hashlib
import hmac
import re
import secrets
import stringprep
import unicodedata

from wire import Connection, Outcome


def plain(user, password, authzid=""):
    """RFC 4616"""
    yield f"{authzid}\0{user}\0{password}".encode()


def login(user, password):
    """The server asks for the name, then for the password (never standardised)."""
    yield None
    yield user.encode()
    yield password.encode()


def cram_md5(user, password):
    """RFC 2195"""
    challenge = yield None
    digest = hmac.new(password.encode(), challenge, "md5").hexdigest()
    yield f"{user} {digest}".encode()


# ---- DIGEST-MD5, RFC 2831 --------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Form:
    """How a client fills in what RFC 2831 leaves open, or gets wrong."""
    realm: str = None        # None: the server's; "": no realm at all
    charset: bool = True     # does the client say charset=utf-8?
    latin1: bool = True      # are texts within Latin-1 hashed as Latin-1 (section 2.1.2.1)?
    host: str = "localhost"  # in digest-uri
    quoted_charset: bool = False
    authzid: str = None
    spaces: bool = False     # white space after commas


CLIENT_FORM = Form()


def _text(text, form):
    """The bytes that are hashed."""
    if form.latin1:
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            pass
    return text.encode()


def parse_directives(challenge):
    """The directives of a challenge; a name that comes twice is an error."""
    pairs = re.findall(r'([a-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^",]*))(?:,\s*|$)', challenge)
    names = [name for name, _, _ in pairs]
    if len(set(names)) != len(names):
        raise ValueError(f"a directive comes twice: {challenge}")
    return {name: re.sub(r"\\(.)", r"\1", quoted) or token for name, quoted, token in pairs}


def _quote(text):
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _md5(data):
    return hashlib.md5(data).digest()


def digest_md5(user, password, service="smtp", form=CLIENT_FORM):
    """RFC 2831, quality of protection "auth"; checks the server's answer."""
    challenge = parse_directives((yield None).decode())
    if "auth" not in re.split(r"[, ]+", challenge.get("qop", "auth")):
        raise ValueError(f"qop is {challenge['qop']}")
    realm = challenge.get("realm", "") if form.realm is None else form.realm
    nonce, cnonce = challenge["nonce"], secrets.token_hex(12)
    uri = f"{service}/{form.host}"
    secret = _md5(b":".join(_text(part, form) for part in (user, realm, password)))

    def response(method):
        a1 = [secret, nonce.encode(), cnonce.encode()]
        if form.authzid is not None:
            a1.append(form.authzid.encode())
        parts = [_md5(b":".join(a1)).hex(), nonce, "00000001", cnonce, "auth",
                 _md5(f"{method}:{uri}".encode()).hex()]
        return _md5(":".join(parts).encode()).hex()

    directives = [f"username={_quote(user)}"]
    if form.realm != "":
        directives.append(f"realm={_quote(realm)}")
    directives += [f"nonce={_quote(nonce)}", f"cnonce={_quote(cnonce)}", "nc=00000001", "qop=auth",
                   f"digest-uri={_quote(uri)}", f"response={response('AUTHENTICATE')}"]
    if form.charset:
        directives.append('charset="utf-8"' if form.quoted_charset else "charset=utf-8")
    if form.authzid is not None:
        directives.append(f"authzid={_quote(form.authzid)}")
    message = (", " if form.spaces else ",").join(directives)
    proof = yield message.encode("utf-8" if form.charset or not form.latin1 else "latin-1")
    if proof != f"rspauth={response('')}".encode():
        raise ValueError(f"the server's proof is wrong: {proof}")
    yield b""


# ---- SCRAM, RFC 5802 and 7677 ----------------------------------------------------------------

def saslprep(text):
    """RFC 4013, as a query: what Unicode 3.2 does not know is let through."""
    mapped = "".join(" " if stringprep.in_table_c12(char) else char
                     for char in text if not stringprep.in_table_b1(char))
    return unicodedata.ucd_3_2_0.normalize("NFKC", mapped)


def scram(name, user, password):
    """SCRAM with the hash of that name; checks the server's answer."""
    def digest(data):
        return hashlib.new(name, data).digest()

    def mac(key, text):
        return hmac.new(key, text.encode(), name).digest()

    escaped = saslprep(user).replace("=", "=3D").replace(",", "=2C")
    nonce = secrets.token_urlsafe(18)
    first = f"n={escaped},r={nonce}"
    server_first = (yield f"n,,{first}".encode()).decode()
    fields = dict(field.split("=", 1) for field in server_first.split(","))
    if not fields["r"].startswith(nonce) or fields["r"] == nonce:
        raise ValueError(f"the server's nonce does not extend ours: {server_first}")
    salted = hashlib.pbkdf2_hmac(name, saslprep(password).encode(),
                                 base64.b64decode(fields["s"]), int(fields["i"]))
    client_key = mac(salted, "Client Key")
    last = f"c={base64.b64encode(b'n,,').decode()},r={fields['r']}"
    exchange = f"{first},{server_first},{last}"
    signature = mac(digest(client_key), exchange)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    server_last = yield f"{last},p={base64.b64encode(proof).decode()}".encode()
    want = b"v=" + base64.b64encode(mac(mac(salted, "Server Key"), exchange))
    if server_last != want:
        raise ValueError(f"the server's proof is wrong: {server_last}")
    yield b""


def apop(user, password):
    """RFC 1939 section 7: the answer to a timestamp."""
    return lambda stamp: f"{user} {_md5((stamp + password).encode()).hex()}"


# ---- as a client -----------------------------------------------------------------------------

SERVICES = {"smtp": "smtp", "pop3": "pop", "imap": "imap"}
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
SIMPLE = {"PLAIN": plain, "LOGIN": login, "CRAM-MD5": cram_md5}


def steps_of(protocol, mech, user, password, form=CLIENT_FORM):
    """The mechanism's dialogue."""
    if mech in HASHES:
        return scram(HASHES[mech], user, password)
    if mech == "DIGEST-MD5":
        return digest_md5(user, password, SERVICES[protocol], form)
    return SIMPLE[mech](user, password)


def log_in(connection, mech, user, password, form=CLIENT_FORM, initial=True):
    """Logs in on a connection that is open."""
    protocol = connection.protocol
    if mech == "APOP":
        return connection.apop(apop(user, password))
    if mech == "USER":
        return connection.user(user, password)
    return connection.authenticate(
        mech, steps_of(protocol, mech, user, password, form), initial)


def knows(protocol, mech):
    """APOP is POP3's, and SMTP has no login beside AUTH."""
    if mech == "APOP":
        return protocol == "pop3"
    return mech != "USER" or protocol != "smtp"


def attempt(endpoint, mech, user, password, certificate, form=CLIENT_FORM, initial=True):
    """One login on a connection of its own."""
    if not knows(endpoint.protocol, mech):
        return Outcome.UNSUPPORTED
    with Connection(endpoint, certificate) as connection:
        return log_in(connection, mech, user, password, form, initial)
