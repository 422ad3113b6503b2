# SPDX-License-Identifier: BSD-2-Clause
"""demo.py FOLDER - what scripts/demo shows, once libmailauth is built

Each step prints the command, runs it in a private copy of this machine, prints what matters of its
output and compares it with what should have happened.
"""
import base64
import pathlib
import shlex
import smtplib
import sys

import sandbox
from postfix import Postfix

USER = "alice@mail.example.test"
PASSWORD = "Wonder-1and"
TLS = {"none": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}


class Wrong(Exception):
    """A step did not go as it should."""


def say(text):
    """One line of narration."""
    print(f"\n# {text}", flush=True)


def show(server, *argv, stdin=None, expect=0):
    """Shows a command, runs it in the sandbox and shows its output."""
    shown = shlex.join(argv)
    if stdin is not None:
        shown = f"echo {shlex.quote(stdin)} | {shown}"
    print(f"$ {shown}", flush=True)
    done = server.run(*argv, stdin=None if stdin is None else stdin + "\n", check=False)
    for line in (done.stdout + done.stderr).splitlines():
        print(f"  {line}")
    if done.returncode != expect:
        raise Wrong(f"{argv[0]} exited with {done.returncode} instead of {expect}")
    return done.stdout


def send(server, mech, tls, expect, password=PASSWORD):
    """Sends one mail with swaks; `expect` is what the transcript must hold."""
    port = server.submissions if tls == "tls" else server.submission
    argv = ["swaks", "--server", "127.0.0.1", "--port", str(port), *TLS[tls],
            "--auth", mech, "--auth-user", USER, "--auth-password", password,
            "--from", USER, "--to", "you@elsewhere.test", "--helo", "client.example.test"]
    print(f"$ {shlex.join(argv)}", flush=True)
    done = server.run(*argv, check=False)
    transcript = (done.stdout + done.stderr).splitlines()
    for line in transcript:
        text = line[4:].strip()
        if line.startswith("*** ") or "queued as" in line or "TLS started" in line \
                or text.startswith(("AUTH ", "235 ", "334 ", "5")) or "250-AUTH " in line:
            print(f"  {line}")
    if not any(expect in line for line in transcript):
        print("\n".join(transcript))
        raise Wrong(f"{mech} ({tls}): there is no {expect!r} in the dialogue")
    accepted = done.returncode == 0
    if accepted != (expect == "queued as"):
        raise Wrong(f"{mech} ({tls}): swaks exited with {done.returncode}")


def send_plain_anyway(server):
    """Sends the right password with PLAIN and without TLS, which no client of ours would."""
    secret = base64.b64encode(f"\0{USER}\0{PASSWORD}".encode()).decode()
    with smtplib.SMTP("127.0.0.1", server.submission, timeout=20) as smtp:
        smtp.ehlo("client.example.test")
        print(f"   -> AUTH PLAIN {secret}", flush=True)
        code, text = smtp.docmd("AUTH", f"PLAIN {secret}")
    print(f"  <** {code} {text.decode()}")
    if not 500 <= code < 600:
        raise Wrong(f"PLAIN without TLS got {code}")


def story(server):
    """The steps; raises Wrong at the first that goes wrong."""
    say("Make the group, the key file and the store.")
    show(server, "mailuser", "init")
    say("Make a user who has mail and nothing else: no entry in /etc/passwd, no shell.")
    show(server, "mailuser", "add", "--stdin", "-c", "Alice", USER, stdin=PASSWORD)
    show(server, "mailuser", "show", USER)
    show(server, "getent", "passwd", "alice", expect=2)

    say("libsasl2 is told to ask libmailauth; Postfix is set up with the lines of docs/postfix/.")
    show(server, "grep", "^[a-z]", "/etc/postfix/sasl/smtpd.conf")
    say("Start Postfix (Debian's, smtpd in its chroot).")
    print("$ postfix start", flush=True)
    server.start()
    start = server.log_size()

    say("CRAM-MD5 without TLS: the password does not cross the wire.")
    send(server, "CRAM-MD5", "none", "queued as")
    for tls, name in (("starttls", "STARTTLS"), ("tls", "TLS from the first byte")):
        for mech in ("PLAIN", "LOGIN", "CRAM-MD5"):
            say(f"{mech}, {name}.")
            send(server, mech, tls, "queued as")

    say("A wrong password is refused, whichever mechanism carries it.")
    send(server, "CRAM-MD5", "none", "535 ", password="Wonder-2and")
    send(server, "PLAIN", "starttls", "535 ", password="Wonder-2and")
    send(server, "LOGIN", "tls", "535 ", password="Wonder-2and")

    say("PLAIN without TLS is not offered, and refused to a client that tries it all the same.")
    send(server, "PLAIN", "none", "*** Auth not attempted, requested type not available")
    send_plain_anyway(server)

    say("What Postfix logged:")
    logins = []
    for line in server.log_since(start):
        if "sasl_method=" in line or "authentication failed" in line:
            print(f"  {line}")
        logins += [line] if f"sasl_username={USER}" in line and "sasl_method=" in line else []
    if len(logins) != 7:
        raise Wrong(f"the log has {len(logins)} logins instead of 7")


def main():
    """Exit status 0 only if every step went as it should."""
    work = pathlib.Path(sys.argv[1])
    try:
        print("# Install it into a private copy of this machine", flush=True)
        sandbox.install(work / "tree")
        with Postfix(work / "postfix" / "run", work / "tree") as server:
            story(server)
    except (Wrong, sandbox.Failure, AssertionError, OSError, smtplib.SMTPException) as error:
        print(f"\ndemo: FAILED: {error}")
        return 1
    print("\ndemo: everything went as it should")
    return 0


if __name__ == "__main__":
    sys.exit(main())
