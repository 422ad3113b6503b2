# SPDX-License-Identifier: BSD-2-Clause
"""mailuser init while each of its system calls fails once, or it is killed there.

What it makes then is whole or not there; the next init makes the rest, and accounts can be added.
The other commands: tests/fault/test_sweep.c.
"""
import os
import shutil

import pytest

from tool import BUILD, Tool

FULL = "MAILAUTH_FULL" in os.environ
ERRORS = ("ENOSPC", "EIO", "EINTR", "EOPNOTSUPP", "KILL", "SHORT")
FILES = {"mailauth.conf", "store.key", "accounts.mdb", "accounts.mdb-lock"}


def init(folder, at, error):
    """Runs init with a call that fails, 0 for none; returns the tool, the run and the calls."""
    shutil.rmtree(folder, ignore_errors=True)
    tool = Tool(folder)
    log = folder.parent / "calls"
    log.unlink(missing_ok=True)
    sane = tool.env
    tool.env = {**sane, "LD_PRELOAD": str(BUILD / "tests" / "fault_interpose.so"),
                "FAULT_FOLDER": str(folder), "FAULT_AT": str(at), "FAULT_ERROR": error,
                "FAULT_LOG": str(log)}
    done = tool.run("init")
    tool.env = sane
    return tool, done, log.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("error", ERRORS)
def test_init_survives_one_failing_call(tmp_path, error):
    Tool(tmp_path / "first").ok("init") # makes the group
    folder = tmp_path / "mailauth"
    _, done, calls = init(folder, 0, error)
    assert (done.returncode, done.stderr) == (0, "") and calls
    for at in range(1, len(calls) + 1, 1 if FULL or error == "SHORT" else 3):
        tool, done, seen = init(folder, at, error)
        where = f"{error} at call {seen[at - 1]}"
        assert done.returncode in ((0, 1, -9) if error == "KILL" else (0, 1)), (where, done)
        if done.returncode == 1:
            assert str(folder) in done.stderr, (where, done)
        if tool.config.exists():
            assert "map_size" in tool.config.read_text(encoding="utf-8"), where
        tool.ok("init")
        tool.add("ann@lab.test", password=b"secret")
        assert tool.accepts("ann@lab.test", b"secret"), where
        # A draft of the configuration has no secrets, and is in nobody's way.
        left = set(os.listdir(folder)) - FILES
        assert all(name.startswith("mailauth.conf.") for name in left), (where, left)
