# SPDX-License-Identifier: BSD-2-Clause
"""Runs saslprobe.py in a sandbox: what does a server get from the plugin?"""
import json

from postfix import HOSTNAME
from sandbox import HERE

OPTIONS = {"pwcheck_method": "auxprop", "auxprop_plugin": "mailauth"}


def probe(server, command, options=None, **args):
    """Runs a command of saslprobe.py and returns its result."""
    request = {"options": OPTIONS if options is None else options, "realm": HOSTNAME, **args}
    done = server.run("python3", "-B", HERE / "saslprobe.py", command, stdin=json.dumps(request))
    return json.loads(done.stdout)


def lookup(server, users, names, options=None):
    """What each user's lookup gave: {user: {name: bytes or None}}."""
    result = probe(server, "lookup", options, users=users, names=names)
    values = {}
    for user in users:
        _code, props = result[user]
        values[user] = {}
        for name, found in props.items():
            assert found is None or len(found) <= 1
            values[user][name] = bytes.fromhex(found[0]) if found else None
    return values
