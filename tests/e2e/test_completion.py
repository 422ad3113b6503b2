# SPDX-License-Identifier: BSD-2-Clause
"""Completion of mailuser in a real bash: what TAB would offer, on a terminal of its own.

Readline's insert-completions (M-*) writes every answer into the line, and a key bound to a shell
command hands the line over through a pipe. So nothing of the screen has to be understood. Runs the
program and the completion of the build folder (MAILAUTH_BUILD).
"""
import os
import pathlib
import pty
import re
import select
import subprocess
import tempfile

import pytest

import sandbox
from test_mailuser import BUILD, PROGRAM, Tool

COMPLETION = BUILD / "tools" / "mailuser" / "mailuser.bash"
SETUP = r"""
PS1= PATH={bin}:/usr/bin:/bin
bind 'set bell-style none'
bind -x '"\C-t": printf "%s\n" "$READLINE_LINE" >{answers}; READLINE_LINE='
source {completion}
cd {folder}
echo ready >{answers}
"""


class Shell:
    """An interactive bash that has sourced the completion."""

    def __init__(self, folder, user=None):
        self.answers = folder / "answers"
        os.mkfifo(self.answers)
        self.answers.chmod(0o666)
        # Opened for both, so that it never ends while the shell opens and closes it.
        self.pipe = os.open(self.answers, os.O_RDWR)
        setup = folder / "setup"
        setup.write_text(SETUP.format(bin=folder / "bin", answers=self.answers, folder=folder,
                                      completion=COMPLETION), encoding="utf-8")
        prefix = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        self.terminal, side = pty.openpty()
        self.process = subprocess.Popen(
            [*prefix, "bash", "--noprofile", "--rcfile", setup, "-i"], stdin=side, stdout=side,
            stderr=side, start_new_session=True,
            env={"PATH": os.environ["PATH"], "TERM": "dumb", "LC_ALL": "C.UTF-8",
                 "HOME": str(folder),
                 "MAILAUTH_CONFIG": str(folder / "mailauth" / "mailauth.conf")})
        os.close(side)
        assert self._answer() == "ready"

    def close(self):
        """Ends the shell."""
        self.process.kill()
        self.process.wait()
        os.close(self.terminal)
        os.close(self.pipe)

    def _answer(self):
        """The next line from the pipe; what the terminal shows meanwhile is for messages only."""
        line, screen = b"", b""
        while not line.endswith(b"\n"):
            ready = select.select([self.pipe, self.terminal], [], [], 60)[0]
            assert ready, f"bash does not answer: {screen[-500:]}"
            if self.terminal in ready:
                screen += os.read(self.terminal, 4096)
            if self.pipe in ready:
                line += os.read(self.pipe, 4096)
        return line.decode().rstrip("\n")

    def line(self, typed):
        """The line that `typed` becomes."""
        os.write(self.terminal, typed.encode() + b"\x1b*\x14")
        return self._answer()

    def offers(self, typed):
        """The answers for the last word of `typed`, without what readline does not replace."""
        line = self.line(typed)
        kept = re.sub(r"@?[^\s@=]*$", "", typed)
        assert line.startswith(kept), line
        return set() if line == typed else set(line[len(kept):].split())


@pytest.fixture(name="folder", scope="module")
def folder_fixture(tmp_path_factory):
    """A store with accounts, and the program under its names."""
    sandbox.require_root()
    folder = tmp_path_factory.mktemp("completion")
    for parent in (folder, *folder.parents):  # one of the shells is nobody's
        if parent == pathlib.Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)
    tool = Tool(folder / "mailauth")
    tool.ok("init")
    for name in ("alice@lab.test", "alina@lab.test", "bob@lab.test", "bob@b.test"):
        tool.add(name)
    (folder / "bin").mkdir()
    for name in ("mailuser", *links()):
        (folder / "bin" / name).symlink_to(PROGRAM)
    (folder / "list.txt").touch()
    (folder / "Maildir").mkdir()
    return folder


@pytest.fixture(name="shell", scope="module")
def shell_fixture(folder):
    """Root's bash."""
    shell = Shell(folder)
    yield shell
    shell.close()


def links():
    """The links to mailuser that the build installs."""
    last = COMPLETION.read_text(encoding="utf-8").splitlines()[-1].split()
    assert last[:4] == ["complete", "-F", "_mailuser", "mailuser"]
    return last[4:]


def commands():
    """The commands that mailuser has."""
    text = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"^  ([a-z]+) ", text.partition("Commands:")[2].partition("\n\n")[0], re.M)


def options(*command):
    """All options that --help lists."""
    text = subprocess.run([PROGRAM, *command, "--help"], capture_output=True, text=True,
                          check=True).stdout
    return set(re.findall(r"^ +(?:-[A-Za-z], )?(--[a-z0-9-]+)", text, re.M)) | set(
        re.findall(r"^  (-[A-Za-z]), ", text, re.M))


def test_every_name_has_the_completion():
    script = f"source {COMPLETION}; complete -p"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.splitlines()) == sorted(
        f"complete -F _mailuser {name}" for name in ("mailuser", *links()))
    assert "mailuseradd" in links() and "mailpasswd" in links()


def test_the_install_puts_it_where_bash_looks(tmp_path):
    sandbox.install(tmp_path)
    folder, = tmp_path.rglob("bash-completion/completions")
    assert sorted(os.listdir(folder)) == sorted(["mailuser", *links()])
    for name in os.listdir(folder):
        subprocess.run(["bash", "-n", folder / name], check=True)
    sbin, = (path.parent for path in tmp_path.rglob("sbin/mailuser"))
    assert {name for name in os.listdir(sbin) if name.startswith("mail")} >= set(links())


def test_commands(shell):
    assert shell.offers("mailuser ") == set(commands()) and len(commands()) >= 7
    assert shell.offers("mailuser li") == {"list"}
    assert shell.offers("mailuser --config x li") == {"list"}
    assert shell.offers("mailuser nix") == set()


@pytest.mark.parametrize("command", commands())
def test_options_of_each_command(shell, command):
    assert shell.offers(f"mailuser {command} -") == options(command) >= {"--help", "--config", "-h"}


def test_options(shell):
    assert shell.offers("mailuser --v") == {"--version"}
    assert shell.offers("mailuser add --ex") == {"--expiredate"}
    assert shell.offers("mailuser useradd --ex") == {"--expiredate"}
    assert shell.offers("mailuseradd --ex") == {"--expiredate"}
    assert shell.offers("mailuser add -c text --ex") == {"--expiredate"}
    assert shell.offers("mailuser verify -- -") == set(), "behind -- there are no options"


def test_names_of_accounts(shell):
    everybody = {"alice@lab.test", "alina@lab.test", "bob@lab.test", "bob@b.test"}
    assert shell.offers("mailuser show ") == everybody
    assert shell.offers("mailuser show ali") == {"alice@lab.test", "alina@lab.test"}
    assert shell.offers("mailuser show --json alic") == {"alice@lab.test"}
    assert shell.offers("mailuser show x") == set()
    assert shell.offers("mailuser show alice@lab.test ") == set(), "it takes one"
    assert shell.offers("mailuserdel bo") == {"bob@lab.test", "bob@b.test"}
    assert shell.offers("mailuser passwd -- ali") == {"alice@lab.test", "alina@lab.test"}
    assert shell.offers("mailuser add ali") == set(), "a new name is not there yet"


def test_names_are_completed_across_the_at_sign(shell):
    assert shell.line("mailuser show alice@").rstrip() == "mailuser show alice@lab.test"
    assert shell.line("mailuser show alice@la").rstrip() == "mailuser show alice@lab.test"
    assert shell.offers("mailuser show bob@") == {"@lab.test", "@b.test"}
    assert shell.line("mailuser show alice@x") == "mailuser show alice@x"


def test_names_come_from_the_configuration_on_the_line(shell, folder):
    other = Tool(folder / "other")
    other.ok("init")
    other.add("zoe@lab.test")
    for option in ("--config other/mailauth.conf", "--config=other/mailauth.conf"):
        assert shell.offers(f"mailuser {option} show ") == {"zoe@lab.test"}
        assert shell.offers(f"mailuser show {option} ") == {"zoe@lab.test"}


def test_arguments_of_options(shell):
    assert shell.offers("mailuser list --config li") == {"list.txt"}
    assert shell.offers("mailuser list --config=li") == {"list.txt"}
    assert shell.offers("mailuser add -d Mail") == {"Maildir"}
    assert shell.offers("mailuser add -c ") == set()
    assert "root" in shell.offers("mailuser add -g roo")
    assert "root" in shell.offers("mailuser add --gid=roo")


def test_operands_that_are_words(shell):
    assert shell.offers("mailuser store ") == {"check", "copy", "stat"}
    assert shell.offers("mailuser store c") == {"check", "copy"}
    assert shell.offers("mailuser store --json s") == {"stat"}
    assert shell.offers("mailuser store copy li") == {"list.txt"}
    assert shell.offers("mailuser store check ") == set()


@pytest.mark.parametrize("command", ["import", "export"])
def test_formats_of_other_systems(shell, command):
    unknown = subprocess.run([PROGRAM, command, "nix"], capture_output=True, text=True, check=False)
    known = set(re.findall(r"^  ([a-z]+) ", unknown.stderr, re.M))
    assert len(known) >= 3 and shell.offers(f"mailuser {command} ") == known
    assert shell.offers(f"mailuser {command} j") == {"json"}
    assert shell.offers(f"mailuser {command} --config li") == {"list.txt"}
    if command == "import":
        assert shell.offers(f"mailuser {command} json li") == {"list.txt"}


def test_no_permission_means_no_answer_and_no_message(folder):
    shell_folder = folder / "nobody"
    shell_folder.mkdir(mode=0o755)
    (shell_folder / "bin").symlink_to(folder / "bin")
    (shell_folder / "mailauth").symlink_to(folder / "mailauth")
    shell = Shell(shell_folder, user=65534)
    try:
        assert shell.line("mailuser show ali") == "mailuser show ali"
        assert shell.offers("mailuser sho") == {"show"}
    finally:
        shell.close()
