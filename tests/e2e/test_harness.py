# SPDX-License-Identifier: BSD-2-Clause
"""The tests' own promise: whatever happens to a test, no server is left behind."""
import os
import signal
import socket
import subprocess
import sys

from mailserver import OUTGOING_PORTS, free_ports, is_free, is_open, wait_for
from sandbox import HERE

SCRIPT = """
import pathlib, sys
from postfix import Postfix
server = Postfix(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
server.start()
print(server.submission, server.init_pid, flush=True)
sys.stdin.read()
"""


def test_a_killed_test_takes_its_server_along(tree, tmp_path):
    # With TMPDIR outside of tmp_path nothing else is left, either: the sandbox is in memory.
    with subprocess.Popen([sys.executable, "-B", "-c", SCRIPT, tmp_path / "run", tree], cwd=HERE,
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as test:
        port, init_pid = map(int, test.stdout.readline().split())
        assert is_open(port)
        os.kill(test.pid, signal.SIGKILL)
        test.wait()
    wait_for("the server to end", lambda: not is_open(port))
    wait_for("the sandbox to end", lambda: not os.path.exists(f"/proc/{init_pid}"))
    assert not any(os.scandir(tmp_path / "run"))


def test_the_host_is_left_alone(server):
    with open("/proc/mounts", encoding="utf-8") as mounts:
        assert "/usr overlay" not in mounts.read()
    for folder in ("/etc", "/usr", "/var", "/run"):
        mark = f"{folder}/mailauth-e2e-mark"
        server.run("touch", mark)
        assert server.path(mark).exists() and not os.path.exists(mark)
    for folder in ("/", "/root", "/opt"):
        assert server.run("touch", f"{folder}/mailauth-e2e-mark", check=False).returncode != 0


def test_a_servers_port_is_nobody_elses():
    first, last = map(int, OUTGOING_PORTS.read_text().split())
    ports = [port for _ in range(5) for port in free_ports(3)]
    assert len(set(ports)) == 15
    assert not any(first <= port <= last for port in ports)
    with socket.create_server(("127.0.0.1", free_ports(1)[0])) as taken:
        assert not is_free(taken.getsockname()[1])
