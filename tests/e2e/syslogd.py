# SPDX-License-Identifier: BSD-2-Clause
"""syslogd.py SOCKET FILE - writes what a sandbox's programs send to syslog into one file

A line is "facility.severity tag: text". Control characters become #NNN, as with rsyslog. Ends with
the sandbox.
"""
import os
import re
import socket
import sys

FACILITIES = "kern user mail daemon auth syslog lpr news uucp cron authpriv ftp".split()
SEVERITIES = "emerg alert crit err warning notice info debug".split()
HEAD = re.compile(r"<(\d+)>(?:\w{3} [ \d]\d \d\d:\d\d:\d\d )?")
CONTROL = re.compile(r"[\0-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")


def line_of(message):
    """One line for one datagram."""
    text = message.decode("utf-8", "replace").rstrip("\n\0")
    text = CONTROL.sub(lambda found: f"#{ord(found.group()):03o}", text)
    head = HEAD.match(text)
    if not head:
        return text
    facility, severity = divmod(int(head.group(1)), 8)
    name = FACILITIES[facility] if facility < len(FACILITIES) else f"local{facility - 16}"
    return f"{name}.{SEVERITIES[severity]} {text[head.end():]}"


def main():
    """Serves until it is killed; says "ready" once programs can log."""
    path, out = sys.argv[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(path)
        os.chmod(path, 0o666)
        print("ready", flush=True)
        with open(out, "a", buffering=1, encoding="utf-8") as log:
            while True:
                log.write(line_of(sock.recv(65536)) + "\n")


main()
