# SPDX-License-Identifier: BSD-2-Clause
"""A private machine for one server: its own /etc, /usr, /var, host name and process numbers.

The host is left as it is, the network is the host's loopback. What "meson install" puts under
DESTDIR lies over /usr and /etc in there, and so do packages that are unpacked and not installed.
So programs, plugins and configuration have the paths they have on a real machine. Everything ends with the test, even if it is killed: see sandbox.sh.
"""
import glob
import os
import pathlib
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
REPO = HERE.parent.parent
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Failure(Exception):
    """The test cannot be run at all; says what is missing."""


def build_dir():
    """The meson build folder under test."""
    build = pathlib.Path(os.environ.get("MAILAUTH_BUILD", REPO / "build")).resolve()
    if not (build / "meson-info").is_dir():
        raise Failure(f"{build} is no meson build folder: set MAILAUTH_BUILD, or run"
                      " meson setup build && ninja -C build")
    return build


def require_root():
    """Fails unless the tests run as root."""
    if os.geteuid() != 0:
        raise Failure("the end-to-end tests need root: they make namespaces and start Postfix")


def install(tree):
    """Installs the build folder under `tree`, with the plugin where Debian's libsasl2 looks."""
    require_root()
    subprocess.run(["meson", "install", "-C", build_dir(), "--no-rebuild", "--quiet",
                    "--destdir", tree], check=True, stdout=subprocess.DEVNULL)
    plugins = list(tree.rglob("libsasl_mailauth.so"))
    if not plugins:
        raise Failure("the build has no libsasl_mailauth.so: meson setup -Dsasl=enabled")
    stock = glob.glob("/usr/lib/*/sasl2/libcrammd5.so")
    if not stock:
        raise Failure("libsasl2's mechanisms are missing: apt-get install libsasl2-modules")
    folder = tree / os.path.dirname(stock[0]).lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    if plugins[0].parent != folder:
        shutil.copy2(plugins[0], folder)


class Sandbox:
    """Use as a context manager. Of the `trees` that lie over the host, the first is topmost."""

    def __init__(self, run, trees, hostname):
        require_root()
        run.mkdir(parents=True)
        self.hostname = hostname
        self._unshare = subprocess.Popen(
            ["unshare", "--mount", "--uts", "--pid", "--mount-proc", "--fork", "--kill-child",
             HERE / "sandbox.sh", run, hostname, *trees],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/")
        if self._unshare.stdout.readline() != b"ready\n":
            self.close()
            raise Failure("the sandbox did not start: are mount, uts and pid namespaces allowed?")
        found = subprocess.run(["pgrep", "-P", str(self._unshare.pid)], check=True,
                               capture_output=True, text=True)
        self.init_pid = int(found.stdout.split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Ends everything in the sandbox; safe to call twice."""
        self._unshare.stdin.close()
        try:
            self._unshare.wait(10)
        except subprocess.TimeoutExpired:
            self._unshare.kill()
            self._unshare.wait()
        self._unshare.stdout.close()

    def path(self, name):
        """A file of the sandbox, as seen from outside."""
        return pathlib.Path(f"/proc/{self.init_pid}/root") / str(name).lstrip("/")

    def run(self, *argv, check=True, stdin=None, env=None):
        """Runs a command in the sandbox; returns it with .returncode, .stdout and .stderr."""
        done = subprocess.run(
            ["nsenter", "--target", str(self.init_pid), "--mount", "--root",
             "--uts", "--pid", "--", *argv],
            input=stdin or "", capture_output=True, text=True, timeout=300, cwd="/", check=False,
            env={"PATH": PATH, "LC_ALL": "C.UTF-8", **(env or {})})
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, argv))} exited with {done.returncode}:\n"
                                 f"{done.stdout}{done.stderr}")
        return done

    def shell(self, script, check=True):
        """Runs a shell script in the sandbox."""
        return self.run("bash", "-euc", script, check=check)
