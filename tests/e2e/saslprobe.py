# SPDX-License-Identifier: BSD-2-Clause
"""A server that knows nothing but libsasl2, to look at what the plugin does in it.

Runs in a sandbox as a process of its own: saslprobe.py COMMAND, with arguments as JSON on standard
input and the result as JSON on standard output. `options` is what a server would have in its
configuration file.
"""
import ctypes
import ctypes.util
import json
import os
import sys
import threading

OK, CB_LIST_END, CB_GETOPT, CB_LOG = 0, 0, 1, 2
GETOPT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                          ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_uint))
LOG = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)


class Callback(ctypes.Structure):
    """sasl_callback_t"""
    _fields_ = [("id", ctypes.c_ulong), ("proc", ctypes.c_void_p), ("context", ctypes.c_void_p)]


class Propval(ctypes.Structure):
    """struct propval"""
    _fields_ = [("name", ctypes.c_char_p), ("values", ctypes.POINTER(ctypes.c_void_p)),
                ("nvalues", ctypes.c_uint), ("valsize", ctypes.c_uint)]


class Server:
    """libsasl2, initialised as a server."""

    def __init__(self, options):
        self.logged = []
        self.options = {key.encode(): value.encode() for key, value in options.items()}
        self._getopt, self._log = GETOPT(self._on_getopt), LOG(self._on_log)
        self._callbacks = (Callback * 3)(
            Callback(CB_GETOPT, ctypes.cast(self._getopt, ctypes.c_void_p).value, None),
            Callback(CB_LOG, ctypes.cast(self._log, ctypes.c_void_p).value, None),
            Callback(CB_LIST_END, None, None))
        self.lib = ctypes.CDLL(ctypes.util.find_library("sasl2"))
        self.lib.sasl_auxprop_getctx.restype = ctypes.c_void_p
        self.lib.prop_get.restype = ctypes.POINTER(Propval)
        self.lib.prop_new.restype = ctypes.c_void_p
        self._check(self.lib.sasl_server_init(self._callbacks, b"saslprobe"))

    @staticmethod
    def _check(code):
        if code != OK:
            raise SystemExit(f"libsasl2: {code}")

    def _on_getopt(self, _context, _plugin, option, result, length):
        value = self.options.get(option)
        if value is None:
            return -1
        result[0] = value
        if length:
            length[0] = len(value)
        return OK

    def _on_log(self, _context, level, message):
        self.logged.append([level, message.decode("utf-8", "replace")])
        return OK

    def done(self):
        """Ends libsasl2."""
        self.lib.sasl_done()

    def connect(self, realm, host=None):
        """A connection, with a realm or with a host name only; dispose of it with close()."""
        conn = ctypes.c_void_p()
        self._check(self.lib.sasl_server_new(
            b"smtp", (host or realm).encode(), None if host else realm.encode(), None, None, None,
            0, ctypes.byref(conn)))
        return conn

    def close(self, conn):
        """Ends a connection."""
        self.lib.sasl_dispose(ctypes.byref(conn))

    def checkpass(self, conn, user, password):
        """sasl_checkpass(): a password in clear; returns libsasl2's code."""
        user, password = user.encode(), password.encode()
        return self.lib.sasl_checkpass(conn, user, len(user), password, len(password))

    def plain(self, conn, user, password):
        """A login by the mechanism PLAIN; returns libsasl2's code."""
        message = f"\0{user}\0{password}".encode()
        reply, length = ctypes.c_char_p(), ctypes.c_uint()
        return self.lib.sasl_server_start(conn, b"PLAIN", message, len(message),
                                          ctypes.byref(reply), ctypes.byref(length))

    def setpass(self, conn, user, password):
        """sasl_setpass(): what saslpasswd2 does first; returns libsasl2's code."""
        user, password = user.encode(), password.encode()
        return self.lib.sasl_setpass(conn, user, password, len(password), None, 0, 1)

    def store(self, conn, user, names, values):
        """Stores `values`, of which None deletes; other `names` are asked for only."""
        context = ctypes.c_void_p(self.lib.prop_new(0))
        wanted = (ctypes.c_char_p * (len(names) + 1))(*(name.encode() for name in names), None)
        self._check(self.lib.prop_request(context, wanted))
        for name, value in values.items():
            value = value.encode() if value is not None else None
            self._check(self.lib.prop_set(context, name.encode(), value, -1))
        code = self.lib.sasl_auxprop_store(conn, context, user.encode())
        self.lib.prop_dispose(ctypes.byref(context))
        return code

    def lookup(self, conn, user, names):
        """Asks for properties; returns {name: [hex, ...] or None if there is no value}."""
        wanted = (ctypes.c_char_p * (len(names) + 1))(*(name.encode() for name in names), None)
        self._check(self.lib.sasl_auxprop_request(conn, wanted))
        code = self.lib.sasl_user_exists(conn, b"smtp", None, user.encode())
        values = {}
        context = ctypes.c_void_p(self.lib.sasl_auxprop_getctx(conn))
        for prop in self.lib.prop_get(context):
            if not prop.name:
                break
            values[prop.name.decode()] = [
                ctypes.string_at(prop.values[i], prop.valsize if prop.nvalues == 1 else -1).hex()
                for i in range(prop.nvalues)] if prop.values else None
        return code, values


def opened():
    """The files below /var/lib and /etc/mailauth that this process has open or mapped."""
    names = set()
    for fd in os.listdir("/proc/self/fd"):
        try:
            names.add(os.readlink(f"/proc/self/fd/{fd}"))
        except FileNotFoundError:
            pass
    with open("/proc/self/maps", encoding="ascii") as maps:
        names |= {line.split()[-1] for line in maps}
    return sorted(name for name in names if "/mailauth/" in name)


def count_fds():
    """How many files are open."""
    return len(os.listdir("/proc/self/fd"))


def count_maps():
    """How many mappings there are."""
    with open("/proc/self/maps", encoding="ascii") as maps:
        return len(maps.readlines())


def lookup(args):
    """Properties of each of `users`, each on a connection of its own."""
    server = Server(args["options"])
    result = {"opened_first": opened()}
    for user in args["users"]:
        conn = server.connect(args["realm"])
        result[user] = server.lookup(conn, user, args["names"])
        server.close(conn)
    result["opened"], result["log"] = opened(), server.logged
    server.done()
    result["opened_after"] = opened()
    return result


def check(args):
    """Each [user, password] of `logins`, all on one connection; `call` is checkpass or plain."""
    server = Server(args["options"])
    conn = server.connect(args["realm"], args.get("host"))
    codes = [getattr(server, args["call"])(conn, *pair) for pair in args["logins"]]
    server.close(conn)
    log = server.logged
    server.done()
    return {"codes": codes, "log": log}


def store(args):
    """Stores properties, then looks whether a login still works."""
    server = Server(args["options"])
    conn = server.connect(args["realm"])
    code = server.store(conn, args["user"], args["names"], args["values"])
    login = server.checkpass(conn, args["user"], args["password"])
    server.close(conn)
    server.done()
    return [code, login]


def cycle(args):
    """Starts and ends libsasl2 many times, with or without a change of password and a login every
    so often; does anything stay behind?"""
    counts = []
    for i in range(args["times"]):
        server = Server(args["options"])
        conn = server.connect(args["realm"])
        assert not args["change"] or server.setpass(conn, *args["change"]) == OK
        if args["every"] and i % args["every"] == 0:
            assert server.checkpass(conn, *args["login"]) == OK
        server.close(conn)
        server.done()
        with open("/proc/self/maps", encoding="ascii") as maps:
            loaded = "libsasl_mailauth" in maps.read()
        counts.append([count_fds(), count_maps(), loaded])
    return counts


def threads(args):
    """Logins from several threads at once, the first of which opens the store."""
    server = Server(args["options"])
    codes = []

    def work():
        for _ in range(args["times"]):
            conn = server.connect(args["realm"])
            codes.append(server.checkpass(conn, *args["login"]))
            server.close(conn)

    workers = [threading.Thread(target=work) for _ in range(args["threads"])]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    server.done()
    return {"codes": codes, "opened_after": opened()}


def fork(args):
    """A login in the parent, in a child that it forks then, and in the parent again."""
    server = Server(args["options"])

    def try_login():
        conn = server.connect(args["realm"])
        code = server.checkpass(conn, *args["login"])
        server.close(conn)
        return code

    codes = [try_login()] if args["before"] else []
    pid = os.fork()
    if pid == 0:
        os._exit(0 if try_login() == OK else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    codes.append(try_login())
    server.done()
    return codes


if __name__ == "__main__":
    COMMANDS = {"lookup": lookup, "check": check, "store": store, "cycle": cycle,
                "threads": threads, "fork": fork}
    print(json.dumps(COMMANDS[sys.argv[1]](json.load(sys.stdin))))
