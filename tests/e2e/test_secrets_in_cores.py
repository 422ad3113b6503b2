# SPDX-License-Identifier: BSD-2-Clause
"""What a core file holds of passwords and verifiers: of logins and changes that are over, nothing.

A core has what the memory has, which test_secrets_in_memory.py and test_secrets_in_libsasl2.py
search after every step, and the registers, in which a copied password could have stayed. What is in
use is in it: the sealing key while a context is open, and what a dialogue needs that is not over.

mailuser leaves no core, even while it holds a password.
"""
import os
import platform
import resource
import signal

import pytest

import canary
from test_secrets_in_libsasl2 import (  # pylint: disable=unused-import # fixtures
    OK, PROPERTIES, SASL, ours, sasl_env_fixture, sasl_login, start_sasl)
from test_secrets_in_memory import (  # pylint: disable=unused-import # fixtures
    API, CONTINUE, DENIED, MECHS, NAME, REALM, Program, account_fixture, api_login,
    canary_tool_fixture, key_of, secrets_of, steps_of, with_key)
from tool import AGAIN, NEW, Terminal, bare_fixture, tool_fixture  # pylint: disable=unused-import

# How gdb sets eight bytes of a register for vectors.
VECTOR = {"x86_64": "set $xmm9.v2_int64[1] = {:#x}", "aarch64": "set $v9.d.u[1] = {:#x}"}


@pytest.fixture(name="core_of")
def core_of_fixture(tmp_path):
    """A function that searches the core of a Program."""
    path = tmp_path / "core"

    def search(program, wanted, *commands):
        canary.dump_core(program.process.pid, path, *commands)
        found = canary.search_file(path, wanted, "core")
        path.unlink()
        return found
    return search


# ---- the check itself ------------------------------------------------------------------------

def test_a_secret_in_a_core_would_be_found(core_of):
    password = canary.new_password()
    wanted = canary.Wanted()
    wanted.add_password("password", password)
    with Program(API, HELD=password) as program:
        assert len(core_of(program, wanted)["password"]) == 6
    with Program(API) as program:
        assert core_of(program, wanted) == {}
        in_register = VECTOR[platform.machine()].format(
            int.from_bytes(password[:canary.PIECE].encode(), "little"))
        assert core_of(program, wanted, in_register) == {"password": {"0 raw in core"}}


# ---- the C API -------------------------------------------------------------------------------

def test_a_core_after_logins_and_a_change_holds_the_key_alone(account, core_of):
    tool, password, wanted = account
    wrong, new = canary.new_password(), canary.new_password()
    with Program(API) as program:
        assert program.ask("open", str(tool.config))[0] == 0
        accepted = []
        for mech in MECHS:
            assert api_login(program, mech, wrong) == DENIED
            assert api_login(program, mech, password, f"nobody@{REALM}") == DENIED
            accepted += [mech] if api_login(program, mech, password) == 0 else []
        assert {"PLAIN", "LOGIN"} <= set(accepted)
        wanted.add_password("wrong password", wrong)
        assert core_of(program, wanted) == {}
        assert program.ask("passwd", NAME, new.encode())[0] == 0
        wanted.forms.update(secrets_of(tool, password, new).forms)
        assert core_of(program, wanted) == {}
        assert core_of(program, with_key(tool))
        assert program.ask("close")[0] == 0
        wanted.add_secret("key", key_of(tool))
        assert core_of(program, wanted) == {}


def test_a_core_in_the_middle_of_a_login_holds_what_it_needs(tool, core_of):
    """That it would be found where the library keeps it."""
    password = canary.new_password()
    tool.add("tim", password=password.encode())
    wanted = secrets_of(tool, password)
    with Program(API) as program:
        assert program.ask("open", str(tool.config))[0] == 0
        assert program.ask("session", "SCRAM-SHA-256")[0] == 0
        assert program.ask("step", next(steps_of("SCRAM-SHA-256", password)))[0] == CONTINUE
        assert any("scram-sha-256" in name for name in core_of(program, wanted))
        assert program.ask("end")[0] == 0
        assert core_of(program, wanted) == {}


# ---- libsasl2 with the plugin ----------------------------------------------------------------

# libsasl2 keeps properties, and its LOGIN the password: test_secrets_in_libsasl2.py.
HOSTS = {"own": (MECHS, {"mailauth_mechs": ",".join(MECHS)}, ()),
         "stock": ([mech for mech in MECHS if mech != "LOGIN"], {}, PROPERTIES.values())}


@pytest.mark.parametrize("mechanisms", HOSTS)
def test_a_core_of_a_host_of_the_plugin_holds_the_key_alone(tool, sasl_env, core_of, mechanisms):
    mechs, options, theirs = HOSTS[mechanisms]
    password, wrong = canary.new_password(), canary.new_password()
    tool.add("tim", password=password.encode())
    wanted = secrets_of(tool, password, wrong)
    with Program(SASL, **sasl_env(mechanisms)) as program:
        start_sasl(program, tool, **options)
        for mech in mechs:
            assert not sasl_login(program, mech, wrong), mech
            assert sasl_login(program, mech, password), mech
        assert ours(core_of(program, wanted), theirs, "core") == {}
        assert core_of(program, with_key(tool))
        assert program.ask("done")[0] == OK
        wanted.add_secret("key", key_of(tool))
        assert ours(core_of(program, wanted), theirs, "core") == {}


# ---- mailuser --------------------------------------------------------------------------------

class Shell:
    """In mailuser's place on a Terminal: a shell that holds what it was told."""
    config, env = "sh", dict(os.environ)
    argv = ["/bin/sh", "-c", f"printf '{NEW}'; read -r held; printf '{AGAIN}'; read -r other"]


def dumped(program, folder, password, signum):
    """Ends a program on a terminal while it holds a password, with all that it takes to leave a
    core in `folder`; does the kernel make one? A pipe gets it where core_pattern says so."""
    program.argv = ["/usr/bin/env", "-C", folder, *program.argv]
    with Terminal(program, "passwd", "tim", core=True) as terminal:
        terminal.expect(NEW)
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        resource.prlimit(terminal.process.pid, resource.RLIMIT_CORE, unlimited)
        terminal.send(password.encode() + b"\n")
        terminal.expect(AGAIN)
        terminal.process.send_signal(signum)
        ended = os.waitid(os.P_PID, terminal.process.pid, os.WEXITED | os.WNOWAIT)
        assert (ended.si_status, terminal.finish()[0]) == (signum, -signum)
    return ended.si_code == os.CLD_DUMPED


@pytest.mark.parametrize("signum", [signal.SIGABRT, signal.SIGSEGV])
def test_mailuser_dumps_no_core(canary_tool, tmp_path, signum):
    tool, _ = canary_tool
    password = canary.new_password()
    wanted = canary.Wanted()
    wanted.add_password("password", password)
    control, empty = tmp_path / "control", tmp_path / "empty"
    control.mkdir()
    empty.mkdir()
    if not dumped(Shell(), control, password, signum):
        pytest.skip("this machine makes no core of anything: see core(5) for core_pattern")
    for path in control.iterdir():
        assert canary.search_file(path, wanted), path
    assert not dumped(tool, empty, password, signum)
    assert list(empty.iterdir()) == []
