# SPDX-License-Identifier: BSD-2-Clause
"""What is left in a process of passwords and verifiers that went through the plugin in libsasl2.

tests/hygiene/sasl.c is a server on libsasl2 that wipes its own buffers. So what is found is the
plugin's or libsasl2's; what libsasl2 keeps is named below, and nothing else may be found.
"""
import glob
import pathlib

import pytest

import canary
from mailserver import STOCK_MECHANISMS
from test_secrets_in_memory import (  # pylint: disable=unused-import # fixtures
    CONTINUE, DENIED, MECHS, NAME, REALM, Program, account_fixture, key_of, secrets_of, steps_of,
    with_key)
from tool import BUILD, bare_fixture, tool_fixture  # pylint: disable=unused-import # fixtures

SASL = BUILD / "tests" / "hygiene_sasl"
OK = 0


@pytest.fixture(name="sasl_env")
def sasl_env_fixture(tmp_path):
    """Where libsasl2 finds the plugin, and its own mechanisms if "stock"."""
    def make(mechanisms):
        folder = tmp_path / "plugins"
        folder.mkdir()
        (folder / "libsasl_mailauth.so").symlink_to(BUILD / "plugins" / "libsasl_mailauth.so")
        for path in glob.glob("/usr/lib/*/sasl2/lib*.so") if mechanisms == "stock" else []:
            if pathlib.Path(path).stem in STOCK_MECHANISMS:
                (folder / pathlib.Path(path).name).symlink_to(path)
        return {"SASL_PATH": str(folder), "LD_LIBRARY_PATH": str(BUILD / "lib")}
    return make


def start_sasl(program, tool, **options):
    """libsasl2, initialised."""
    for name, value in {"pwcheck_method": "auxprop", "auxprop_plugin": "mailauth",
                        "canon_user_plugin": "mailauth", "mailauth_config": str(tool.config),
                        **options}.items():
        assert program.ask("option", name, value)[0] == OK
    assert program.ask("init")[0] == OK


def sasl_login(program, mech, password):
    """A login through a mechanism on a connection of its own; was it accepted?"""
    steps = steps_of(mech, password)
    assert program.ask("new", REALM)[0] == OK
    code, reply = program.ask("start", mech, next(steps) or b"")
    while code == CONTINUE:
        try:
            code, reply = program.ask("step", steps.send(reply))
        except ValueError:
            code = DENIED
    program.ask("dispose")
    return code == OK


# What libsasl2 does not wipe: the properties of a connection, which its mechanisms got from the
# plugin, copies of them on the stack of CRAM-MD5 and SCRAM, and the password that its LOGIN,
# sasl_checkpass() and sasl_setpass() were given. The stack is clean after the plugin's lookup.
PROPERTIES = {"PLAIN": "sasl-plain", "LOGIN": "sasl-plain", "CRAM-MD5": "cram-md5",
              "DIGEST-MD5": "digest-md5", "SCRAM-SHA-1": "scram-", "SCRAM-SHA-256": "scram-"}


def ours(found, theirs, where=("[heap]", "[stack]")):
    """What was found, without what libsasl2 leaves there."""
    return {name: places for name, places in found.items()
            if not any(word in name for word in theirs)
            or any(not place.endswith(where) for place in places)}


@pytest.mark.parametrize("mech", MECHS)
@pytest.mark.parametrize("mechanisms", ["stock", "own"])
def test_the_sasl_plugin_leaves_nothing(account, sasl_env, mechanisms, mech):
    tool, password, wanted = account
    if mechanisms == "stock" and not tool.accepts("tim", password.encode(), "--mech", "CRAM-MD5"):
        return  # libsasl2 can do nothing with a crypt hash
    wrong = canary.new_password()
    wanted.add_password("wrong password", wrong)
    serves = tool.accepts("tim", password.encode(), "--mech", mech)
    options = {"mailauth_mechs": mech} if mechanisms == "own" else {}
    theirs = [PROPERTIES[mech]] if mechanisms == "stock" else []
    theirs += ["password"] if (mechanisms, mech) == ("stock", "LOGIN") else []
    with Program(SASL, **sasl_env(mechanisms)) as program:
        start_sasl(program, tool, **options)
        assert not sasl_login(program, mech, wrong)
        assert ours(program.found(wanted), theirs) == {}
        assert sasl_login(program, mech, password) == serves
        assert ours(program.found(wanted), theirs) == {}
        assert program.found(with_key(tool))
        assert program.ask("done")[0] == OK
        wanted.add_secret("key", key_of(tool))
        assert ours(program.found(wanted), theirs) == {}


def test_a_lookup_by_libsasl2_leaves_nothing_but_properties(account, sasl_env):
    tool, _, wanted = account
    with Program(SASL, **sasl_env("stock")) as program:
        start_sasl(program, tool)
        assert program.ask("new", REALM)[0] == OK
        assert program.ask("lookup", NAME)[0] == OK
        assert ours(program.found(wanted), PROPERTIES.values(), ("[heap]",)) == {}
        assert program.ask("dispose")[0] == OK
        assert ours(program.found(wanted), PROPERTIES.values(), ("[heap]",)) == {}


def test_other_calls_of_libsasl2_leave_nothing(account, sasl_env):
    tool, password, wanted = account
    new = canary.new_password()
    theirs = ["password", "sasl-plain"]
    with Program(SASL, **sasl_env("stock")) as program:
        start_sasl(program, tool)
        for call, given in (("check", password), ("check", new), ("set", new), ("check", new)):
            assert program.ask("new", REALM)[0] == OK
            program.ask(call, NAME, given.encode())
            program.ask("dispose")
            assert ours(program.found(wanted), theirs) == {}, call
        wanted.forms.update(secrets_of(tool, new, password).forms)
        assert ours(program.found(wanted), theirs) == {}
