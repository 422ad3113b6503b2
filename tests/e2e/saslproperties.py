# SPDX-License-Identifier: BSD-2-Clause
"""Runs saslprobe.py in a sandbox: what does a server get from the plugin?"""
import json

from mailserver import HOSTNAME
from sandbox import HERE

OPTIONS = {"pwcheck_method": "auxprop", "auxprop_plugin": "mailauth"}


def probe(server, command, options=None, **args):
    """Runs a command of saslprobe.py and returns its result."""
    request = {"options": OPTIONS if options is None else options, "realm": HOSTNAME, **args}
    done = server.run("python3", "-B", HERE / "saslprobe.py", command, stdin=json.dumps(request))
    return json.loads(done.stdout)


def lookup_all(server, users, names, options=None):
    """What each user's lookup gave: {user: {name: [bytes, ...]}}."""
    result = probe(server, "lookup", options, users=users, names=names)
    return {user: {name: [bytes.fromhex(value) for value in found or []]
                   for name, found in result[user][1].items()} for user in users}


def lookup(server, users, names, options=None):
    """The same for properties of one value: {user: {name: bytes or None}}."""
    values = lookup_all(server, users, names, options)
    for props in values.values():
        for name, found in props.items():
            assert len(found) <= 1
            props[name] = found[0] if found else None
    return values


def dialogue(server, logins, options=None, **args):
    """Logins through mechanisms, see saslprobe.py; returns its whole result."""
    return probe(server, "dialogue", options, logins=logins, **args)


def verdicts(result):
    """What libsasl2 said at the end of each login."""
    return [login["code"] for login in result["logins"]]


def log_lines(result):
    """What we logged of each login that was decided: [[line, ...], ...]."""
    return [[line for line in login["logged"] if "mailauth login:" in line]
            for login in result["logins"]]
