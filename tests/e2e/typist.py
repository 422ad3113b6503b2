# SPDX-License-Identifier: BSD-2-Clause
"""typist.py USER LINE... - runs passwd as that user at a terminal and types a line per question

Asked for more, it ends the input. Prints what the terminal showed and exits with passwd's code.
"""
import os
import pty
import pwd
import select
import sys

TIMEOUT_S = 60
END_OF_FILE = b"\x04"


def main():
    """See above."""
    user, *lines = sys.argv[1:]
    pid, terminal = pty.fork()
    if pid == 0:
        entry = pwd.getpwnam(user)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
        os.execv("/usr/bin/passwd", ["passwd"])
    shown = b""
    answered = 0
    while select.select([terminal], [], [], TIMEOUT_S)[0]:
        try:
            data = os.read(terminal, 4096)
        except OSError:  # it has ended
            break
        if not data:
            break
        shown += data
        # A question ends with a colon and a blank, and nothing behind it.
        if shown.endswith(b": ") and len(shown) > answered:
            answered = len(shown)
            os.write(terminal, lines.pop(0).encode() + b"\n" if lines else END_OF_FILE)
    _, status = os.waitpid(pid, 0)
    print(shown.decode("utf-8", "replace"))
    sys.exit(os.waitstatus_to_exitcode(status))


main()
