# SPDX-License-Identifier: BSD-2-Clause
"""libsasl2's own client, and dialogues between it and a server in the same process.

For saslprobe.py, which runs in a sandbox.
"""
import ctypes

OK, CONTINUE = 0, 1
USERNAME, CHANNEL_BINDING, SSF_EXTERNAL, SEC_PROPS = 0, 21, 100, 101
CB_LIST_END, CB_GETOPT, CB_USER, CB_AUTHNAME, CB_PASS = 0, 1, 0x4001, 0x4002, 0x4004
SIMPLE = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int,
                          ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_uint))
GETSECRET = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int,
                             ctypes.POINTER(ctypes.c_void_p))


class Callback(ctypes.Structure):
    """sasl_callback_t"""
    _fields_ = [("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class Binding(ctypes.Structure):
    """sasl_channel_binding_t"""
    _fields_ = [("name", ctypes.c_char_p), ("critical", ctypes.c_int), ("len", ctypes.c_ulong),
                ("data", ctypes.c_char_p)]


class Properties(ctypes.Structure):
    """sasl_security_properties_t"""
    _fields_ = [("min_ssf", ctypes.c_uint), ("max_ssf", ctypes.c_uint),
                ("maxbufsize", ctypes.c_uint), ("security_flags", ctypes.c_uint),
                ("property_names", ctypes.c_void_p), ("property_values", ctypes.c_void_p)]


def address(function):
    """A ctypes callback as a plain pointer."""
    return ctypes.cast(function, ctypes.c_void_p).value


def set_up(lib, conn, binding=None, critical=False, tls=0, min_ssf=0, security_flags=0):
    """Sets properties of a connection; returns what has to live as long as it."""
    kept = []
    if binding:
        name, data = binding
        kept.append(Binding(name.encode(), int(critical), len(data), data.encode()))
        assert lib.sasl_setprop(conn, CHANNEL_BINDING, ctypes.byref(kept[0])) == OK
    if tls:
        assert lib.sasl_setprop(conn, SSF_EXTERNAL, ctypes.byref(ctypes.c_uint(tls))) == OK
    props = Properties(min_ssf, min_ssf, 4096, security_flags, None, None)
    assert lib.sasl_setprop(conn, SEC_PROPS, ctypes.byref(props)) == OK
    return kept


class Client:
    """One login by libsasl2's client; `mechs` are those the server is said to offer."""

    def __init__(self, lib, mechs, user, password, authzid=None, binding=None, host="localhost"):
        self.lib, self.mechs = lib, mechs.encode()
        self._texts = {CB_AUTHNAME: user.encode(), CB_USER: (authzid or "").encode()}
        password = password.encode()
        self._secret = ctypes.create_string_buffer(
            len(password).to_bytes(ctypes.sizeof(ctypes.c_ulong), "little") + password)
        self._simple, self._getsecret = SIMPLE(self._on_simple), GETSECRET(self._on_secret)
        self._callbacks = (Callback * 4)(
            Callback(CB_AUTHNAME, address(self._simple), None),
            Callback(CB_USER, address(self._simple), None),
            Callback(CB_PASS, address(self._getsecret), None),
            Callback(CB_LIST_END, None, None))
        self.conn = ctypes.c_void_p()
        assert lib.sasl_client_new(b"smtp", host.encode(), None, None, self._callbacks, 0,
                                   ctypes.byref(self.conn)) == OK
        self._kept = set_up(lib, self.conn, binding)

    def _on_simple(self, _context, which, result, length):
        result[0] = self._texts[which]
        if length:
            length[0] = len(self._texts[which])
        return OK

    def _on_secret(self, _conn, _context, _which, secret):
        secret[0] = ctypes.addressof(self._secret)
        return OK

    def start(self):
        """Returns (code, the mechanism that libsasl2 chose, initial response or None)."""
        out, length, mech = ctypes.c_void_p(), ctypes.c_uint(), ctypes.c_char_p()
        code = self.lib.sasl_client_start(self.conn, self.mechs, None, ctypes.byref(out),
                                          ctypes.byref(length), ctypes.byref(mech))
        return code, mech.value, ctypes.string_at(out, length.value) if out else None

    def step(self, challenge):
        """Returns (code, response)."""
        out, length = ctypes.c_void_p(), ctypes.c_uint()
        code = self.lib.sasl_client_step(self.conn, challenge, len(challenge), None,
                                         ctypes.byref(out), ctypes.byref(length))
        return code, ctypes.string_at(out, length.value) if out else b""

    def close(self):
        """Ends the connection."""
        self.lib.sasl_dispose(ctypes.byref(self.conn))


class Script:
    """A client that says what it is told to, in hex; None: no initial response."""

    def __init__(self, mech, messages):
        self.mech = mech.encode()
        self.messages = [None if text is None else bytes.fromhex(text) for text in messages]

    def start(self):
        """As Client.start()."""
        return OK, self.mech, self.messages.pop(0)

    def step(self, _challenge):
        """As Client.step(); goes away when there is nothing more to say."""
        return (OK, self.messages.pop(0)) if self.messages else (-1, b"")

    def close(self):
        """Nothing to do."""


def server_call(lib, name, conn, mech, message):
    """sasl_server_start() (with a mechanism) or sasl_server_step(); returns (code, reply)."""
    out, length = ctypes.c_void_p(), ctypes.c_uint()
    args = [conn] + ([mech] if mech else [])
    code = getattr(lib, name)(*args, message, len(message or b""), ctypes.byref(out),
                              ctypes.byref(length))
    return code, ctypes.string_at(out, length.value) if out else None


def run(lib, conn, client, initial=True):
    """A whole dialogue. `initial`: the protocol has initial responses.

    Returns the mechanism, the server's last code and whether the client was content, too; the
    server's replies; who logged in, in libsasl2's view."""
    code, mech, message = client.start()
    result = {"mech": (mech or b"").decode(), "client": code, "code": None, "replies": [],
              "user": None}
    if code not in (OK, CONTINUE):
        return result
    held = None if initial else message
    code, reply = server_call(lib, "sasl_server_start", conn, mech, message if initial else None)
    while True:
        result["replies"].append(None if reply is None else reply.decode("latin-1"))
        result["code"] = code
        if code not in (OK, CONTINUE) or (code == OK and reply is None):
            break
        if held is not None:
            result["client"], message, held = OK, held, None
        else:
            result["client"], message = client.step(reply or b"")
        if result["client"] not in (OK, CONTINUE) or code == OK:
            break
        code, reply = server_call(lib, "sasl_server_step", conn, None, message)
    if result["code"] == OK:
        user = ctypes.c_char_p()
        assert lib.sasl_getprop(conn, USERNAME, ctypes.byref(user)) == OK
        result["user"] = user.value.decode()
    return result
