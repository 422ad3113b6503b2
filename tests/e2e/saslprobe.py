# SPDX-License-Identifier: BSD-2-Clause
"""A server that knows nothing but libsasl2, to look at what the plugin does in it.

Runs in a sandbox as a process of its own: saslprobe.py COMMAND, with arguments as JSON on standard
input and the result as JSON on standard output. `options` is what a server would have in its
configuration file.
"""
import ctypes
import ctypes.util
import gc
import json
import os
import subprocess
import sys
import threading
import time

import sasldialogue
from sasldialogue import CB_GETOPT, CB_LIST_END, OK, Callback, address

CB_LOG, CB_GETPATH = 2, 3
GETOPT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_char_p,
                          ctypes.POINTER(ctypes.c_char_p), ctypes.POINTER(ctypes.c_uint))
LOG = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_char_p)
GETPATH = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char_p))


class Propval(ctypes.Structure):
    """struct propval"""
    _fields_ = [("name", ctypes.c_char_p), ("values", ctypes.POINTER(ctypes.c_void_p)),
                ("nvalues", ctypes.c_uint), ("valsize", ctypes.c_uint)]


class Mallinfo(ctypes.Structure):
    """struct mallinfo2"""
    _fields_ = [(name, ctypes.c_size_t) for name in (
        "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks",
        "fordblks", "keepcost")]


class Server:
    """libsasl2, initialised as a server; of `plugins` (a folder) or of all plugins there are."""

    def __init__(self, options, plugins=None):
        self.logged = []
        self.options = {key.encode(): value.encode() for key, value in options.items()}
        self._plugins = plugins and plugins.encode()
        self._getopt, self._log = GETOPT(self._on_getopt), LOG(self._on_log)
        self._getpath = GETPATH(self._on_getpath)
        self._callbacks = (Callback * 4)(
            Callback(CB_GETOPT, address(self._getopt), None),
            Callback(CB_LOG, address(self._log), None),
            Callback(CB_GETPATH, address(self._getpath), None) if plugins else
            Callback(CB_LIST_END, None, None),
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

    def _on_getpath(self, _context, result):
        result[0] = self._plugins
        return OK

    def done(self):
        """Ends libsasl2."""
        self.lib.sasl_done()

    def connect(self, realm, host=None, flags=0):
        """A connection, with a realm or with a host name only; dispose of it with close()."""
        conn = ctypes.c_void_p()
        self._check(self.lib.sasl_server_new(
            b"smtp", (host or realm).encode(), None if host else realm.encode(), None,
            b"192.0.2.1;25", None, flags, ctypes.byref(conn)))
        return conn

    def mechanisms(self, conn):
        """What a greeting would list."""
        text = ctypes.c_char_p()
        code = self.lib.sasl_listmech(conn, None, b"", b" ", b"", ctypes.byref(text), None, None)
        return text.value.decode().split() if code == OK else []

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
        return code, self.properties(conn)

    def properties(self, conn):
        """The properties of a connection."""
        values = {}
        context = ctypes.c_void_p(self.lib.sasl_auxprop_getctx(conn))
        for prop in self.lib.prop_get(context):
            if not prop.name:
                break
            values[prop.name.decode()] = [
                ctypes.string_at(prop.values[i], prop.valsize if prop.nvalues == 1 else -1).hex()
                for i in range(prop.nvalues)] if prop.values else None
        return values


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
        conn = server.connect(args["realm"], args.get("host"))
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


def dialogue(args):
    """Each of `logins` through the mechanisms, each on a connection of its own or on one.

    A login has what sasldialogue.Client or .Script takes; `settings` is what set_up() takes,
    and `flags`."""
    server = Server(args["options"], args.get("plugins"))
    assert server.lib.sasl_client_init(None) == OK
    settings = dict(args.get("settings", {}))
    flags, host = settings.pop("flags", 0), args.get("host")
    opened_first, logged_first = opened(), len(server.logged)
    logins, conn, offered, kept = [], None, None, []
    for login in args["logins"] or [None]:
        if conn is None or not args.get("one_connection"):
            conn = server.connect(args["realm"], host, flags)
            kept.append(sasldialogue.set_up(server.lib, conn, **settings))
            offered = server.mechanisms(conn)
        if login:
            logins.append(log_in(server, conn, dict(login)))
        if not args.get("one_connection"):
            server.close(conn)
    if args.get("one_connection"):
        server.close(conn)
    log = server.logged[logged_first:]
    server.lib.sasl_client_done()
    server.done()
    return {"logins": logins, "offered": offered, "log": log, "opened_first": opened_first,
            "opened_after": opened()}


def log_in(server, conn, login):
    """One login; returns what sasldialogue.run() does, and how many lines it logged."""
    initial, before = login.pop("initial", True), len(server.logged)
    make = sasldialogue.Script if "messages" in login else (
        lambda **kwargs: sasldialogue.Client(server.lib, **kwargs))
    client = make(**login)
    result = sasldialogue.run(server.lib, conn, client, initial)
    client.close()
    return {**result, "logged": [text for _level, text in server.logged[before:]]}


def store(args):
    """Stores properties, then looks whether a login still works."""
    server = Server(args["options"])
    conn = server.connect(args["realm"])
    code = server.store(conn, args["user"], args["names"], args["values"])
    login = server.checkpass(conn, args["user"], args["password"])
    server.close(conn)
    server.done()
    return [code, login]


def allocated():
    """Bytes that the C library has given out and not got back."""
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo
    return libc.mallinfo2().uordblks


def cycle_mechanisms(args):
    """Starts and ends libsasl2 many times, with logins through mechanisms, of which the last is
    left unfinished; returns [files open, mappings, bytes allocated] of each time."""
    counts = []
    for _ in range(args["times"]):
        server = Server(args["options"], args.get("plugins"))
        assert server.lib.sasl_client_init(None) == OK
        for login in args["logins"]:
            conn = server.connect(args["realm"])
            login = dict(login)
            expected = login.pop("expected")
            result = log_in(server, conn, login)
            assert result["code"] == expected, result
            server.close(conn)
        server.lib.sasl_client_done()
        server.done()
        del server
        gc.collect()
        counts.append([count_fds(), count_maps(), allocated()])
    return counts


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
    # Python's join() does not wait for the end of the thread itself, in which OpenSSL still cleans
    # up what the end of libsasl2 is going to free.
    while len(os.listdir("/proc/self/task")) > 1:
        time.sleep(0.001)
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


def inherited(args):
    """What a program that is started between logins is given, beside its standard streams."""
    server = Server(args["options"])
    conn = server.connect(args["realm"])
    codes = [server.checkpass(conn, *args["login"])]
    if args["change"]:
        codes.append(server.setpass(conn, *args["change"]))
    script = "for fd in /proc/$$/fd/*; do readlink $fd || :; done"
    text = subprocess.run(["sh", "-c", script], close_fds=False, check=True, text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout
    own = {os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd")
           if os.path.exists(f"/proc/self/fd/{name}")}
    server.close(conn)
    server.done()
    return {"codes": codes, "inherited": text.split(), "own": sorted(own)}


if __name__ == "__main__":
    COMMANDS = {"lookup": lookup, "check": check, "store": store, "cycle": cycle,
                "threads": threads, "fork": fork, "dialogue": dialogue,
                "cycle_mechanisms": cycle_mechanisms, "inherited": inherited}
    print(json.dumps(COMMANDS[sys.argv[1]](json.load(sys.stdin))))
