# SPDX-License-Identifier: BSD-2-Clause
"""libsasl2's client side, as mbsync, mutt, nmh, imtest and KMail have it; through ctypes.

The stock mechanisms of libsasl2-modules run in this process, which saves a few hundred programs
their start; wire.py carries their messages. Only quality of protection "auth" is allowed.
"""
import ctypes
import functools

import byhand
from wire import Connection, Outcome

OK, CONTINUE, FAIL, NOMECH = 0, 1, -1, -4
CB_GETOPT, CB_LOG, CB_USER, CB_AUTHNAME, CB_PASS, CB_GETREALM = 1, 2, 0x4001, 0x4002, 0x4004, 0x4008
CB_END = 0
SUCCESS_DATA = 4
SEC_PROPS = 101

Simple = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                          ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_uint))
GetSecret = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
                             ctypes.POINTER(ctypes.c_void_p))
GetRealm = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                            ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_char_p))
Log = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)


class Callback(ctypes.Structure):
    """sasl_callback_t"""
    _fields_ = [("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class Secret(ctypes.Structure):
    """sasl_secret_t, with room for the longest password of the tests"""
    _fields_ = [("len", ctypes.c_ulong), ("data", ctypes.c_char * 4096)]


class SecProps(ctypes.Structure):
    """sasl_security_properties_t"""
    _fields_ = [("min_ssf", ctypes.c_uint), ("max_ssf", ctypes.c_uint),
                ("maxbufsize", ctypes.c_uint), ("flags", ctypes.c_uint),
                ("names", ctypes.c_void_p), ("values", ctypes.c_void_p)]


def _table(entries):
    callbacks = (Callback * (len(entries) + 1))()
    for callback, (number, function) in zip(callbacks, entries):
        callback.id, callback.proc = number, ctypes.cast(function, ctypes.c_void_p)
    return callbacks


@Log
def _quiet(_context, _level, _message):
    return OK


_GLOBAL = _table([(CB_LOG, _quiet)])


@functools.lru_cache(None)
def library():
    """libsasl2, ready for clients."""
    lib = ctypes.CDLL("libsasl2.so.2")
    lib.sasl_errdetail.restype = ctypes.c_char_p
    if lib.sasl_client_init(_GLOBAL) != OK:
        raise OSError("sasl_client_init failed")
    return lib


class Client:
    """One login's sasl_conn_t; use as a context manager."""

    def __init__(self, service, user, password):
        data = password.encode()
        self._secret = Secret(len(data), data)
        self._strings = {CB_USER: b"", CB_AUTHNAME: user.encode()}
        self._keep = (Simple(self._on_name), GetSecret(self._on_secret), GetRealm(self._on_realm))
        name, secret, realm = self._keep
        self._callbacks = _table([(CB_USER, name), (CB_AUTHNAME, name), (CB_PASS, secret),
                                  (CB_GETREALM, realm)])
        self.conn = ctypes.c_void_p()
        self._check(library().sasl_client_new(service.encode(), b"localhost", None, None,
                                              self._callbacks, 0, ctypes.byref(self.conn)))
        props = SecProps(0, 0, 0, 0, None, None)
        self._check(library().sasl_setprop(self.conn, SEC_PROPS, ctypes.byref(props)))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        library().sasl_dispose(ctypes.byref(self.conn))

    def _on_name(self, _context, number, result, length):
        result[0] = self._strings[number]
        if length:
            length[0] = len(self._strings[number])
        return OK

    def _on_secret(self, _conn, _context, _number, secret):
        secret[0] = ctypes.addressof(self._secret)
        return OK

    def _on_realm(self, _context, _number, offered, result):
        result[0] = offered[0]
        return OK

    def _check(self, code):
        if code not in (OK, CONTINUE):
            raise ValueError(f"libsasl2: {code}: {library().sasl_errdetail(self.conn).decode()}")
        return code

    def start(self, mech):
        """Picks the mechanism; returns its initial response or None, or raises LookupError."""
        out, length, chosen = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_char_p()
        code = library().sasl_client_start(self.conn, mech.encode(), None, ctypes.byref(out),
                                           ctypes.byref(length), ctypes.byref(chosen))
        if code == NOMECH:
            raise LookupError(mech)
        self._check(code)
        return ctypes.string_at(out, length.value) if out else None

    def step(self, challenge):
        """Answers a challenge."""
        out, length = ctypes.c_void_p(), ctypes.c_uint()
        code = self._check(library().sasl_client_step(
            self.conn, challenge, len(challenge), None, ctypes.byref(out), ctypes.byref(length)))
        return code, ctypes.string_at(out, length.value) if out else b""


def steps(client, mech):
    """The dialogue as wire.py wants it."""
    challenge = yield client.start(mech)
    code = CONTINUE
    while challenge is not None:
        code, answer = client.step(challenge)
        challenge = yield answer
    if code != OK and mech.startswith(("SCRAM", "DIGEST")):
        raise ValueError("libsasl2 still waits for the server's proof")


def attempt(endpoint, mech, user, password, certificate):
    """One login on a connection of its own."""
    with Connection(endpoint, certificate) as connection, \
            Client(byhand.SERVICES[endpoint.protocol], user, password) as client:
        try:
            return connection.authenticate(mech, steps(client, mech))
        except LookupError:
            return Outcome.UNSUPPORTED
