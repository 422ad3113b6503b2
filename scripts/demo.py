# SPDX-License-Identifier: BSD-2-Clause
"""demo.py FOLDER - what scripts/demo shows, once libmailauth is built

Each step prints the command, runs it in a private copy of this machine, prints what matters of its
output and compares it with what should have happened.
"""
import base64
import pathlib
import re
import shlex
import smtplib
import sys

import sandbox
from mailserver import STOCK_MECHANISMS
from postfix import Postfix

USER = "alice@mail.example.test"
RCPT = "you@elsewhere.test"
PASSWORD = "Wonder-1and"
WRONG = "Wonder-2and"
UNIX_USER = "uma"
UNIX_PASSWORD = "Thurm-an99"
TLS = {"none": "without TLS", "starttls": "STARTTLS", "tls": "TLS from the first byte"}

SWAKSRC = "/run/swaksrc"  # files of the client, in the private machine's memory
MSMTPRC = "/run/msmtprc"
CLIENT_FILES = {
    SWAKSRC: f"""server 127.0.0.1
from {USER}
to {RCPT}
helo client.example.test
auth-user {USER}
auth-password {PASSWORD}
""",
    MSMTPRC: f"""account default
host 127.0.0.1
from {USER}
user {USER}
passwordeval echo {PASSWORD}
tls_trust_file {Postfix.certificate_path}
"""}

# What is shown of a dialogue: the login, its outcome, the mail's; swaks and msmtp mark the lines
# of client and server in ways of their own.
MATTERS = re.compile(r"\*\*\* |=== TLS started|    \(TLS1|.*queued as"
                     r"|[ <=~*>-]+ (AUTH |334|235|5\d\d )")


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


def client(server, mech, tls, user, password):
    """The command that sends one mail, and its standard input. SCRAM is msmtp's, for swaks has
    none."""
    port = server.submissions if tls == "tls" else server.submission
    if mech.startswith("SCRAM"):
        return ["msmtp", f"--file={MSMTPRC}", "--debug", f"--port={port}", f"--auth={mech.lower()}",
                *{"none": ["--tls=off"], "starttls": ["--tls=on"],
                  "tls": ["--tls=on", "--tls-starttls=off"]}[tls],
                *([f"--user={user}"] if user != USER else []),
                *([f"--passwordeval=echo {password}"] if password != PASSWORD else []),
                "--", RCPT], "Subject: hello"
    return ["swaks", "--config", SWAKSRC, "--port", str(port), "--auth", mech,
            *{"none": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}[tls],
            *(["--auth-user", user] if user != USER else []),
            *(["--auth-password", password] if password != PASSWORD else [])], None


def send(server, mech, tls, expect="queued as", password=PASSWORD, user=USER):
    """Sends one mail; `expect` is what the dialogue must hold."""
    argv, stdin = client(server, mech, tls, user, password)
    print(f"$ {f'echo {shlex.quote(stdin)} | ' if stdin else ''}{shlex.join(argv)}", flush=True)
    done = server.run(*argv, stdin=stdin and f"{stdin}\n\n", check=False)
    dialogue = (done.stdout + done.stderr).splitlines()
    for line in dialogue:
        if MATTERS.match(line):
            print(f"  {line if len(line) <= 100 else line[:97] + '...'}")
    if not any(expect in line for line in dialogue):
        print("\n".join(dialogue))
        raise Wrong(f"{mech}, {TLS[tls]}: there is no {expect!r} in the dialogue")
    accepted = done.returncode == 0
    if accepted != (expect == "queued as"):
        raise Wrong(f"{mech}, {TLS[tls]}: {argv[0]} exited with {done.returncode}")


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


def logged(server, start, sent):
    """Shows what the mail log has of logins since `start`; `sent` is the mechanisms of the mails."""
    say("What Postfix logged:")
    lines = [line for line in server.log_since(start)
             if re.search("sasl_method=|authentication failed:|mailauth login:", line)]
    print("\n".join(f"  {line}" for line in lines))
    methods = [re.search(r"sasl_method=([^,]+)", line).group(1) for line in lines
               if "sasl_method=" in line and f"sasl_username={USER}" in line]
    if methods != sent:
        raise Wrong(f"the log has mails by {methods} instead of {sent}")
    return lines


def make_user(server):
    """The store and an account."""
    say("Make the group, the key file and the store.")
    show(server, "mailuser", "init")
    say("Make a user who has mail and nothing else: no entry in /etc/passwd, no shell. The password"
        " is not kept, only a verifier for each mechanism.")
    show(server, "mailuser", "add", "--stdin", "-c", "Alice", USER, stdin=PASSWORD)
    account = show(server, "mailuser", "show", USER)
    if not re.search(r"^Recoverable: +no$", account, re.MULTILINE):
        raise Wrong("the account keeps its password")
    show(server, "getent", "passwd", "alice", expect=2)


def stock_mechanisms(server):
    """Logins with libsasl2's own mechanisms, which ask libmailauth for the verifiers."""
    say("libsasl2 is told to ask libmailauth; Postfix is set up with the lines of docs/postfix/.")
    show(server, "grep", "^[a-z]", Postfix.sasl_conf)
    server.shell("mount -t tmpfs tmpfs /tmp")  # msmtp writes there; the machine's is read-only
    for path, text in CLIENT_FILES.items():
        file = server.path(path)
        file.touch(mode=0o600)
        file.write_text(text)
    say("Start Postfix (Debian's, smtpd in its chroot).")
    print("$ postfix start", flush=True)
    server.start()
    start = server.log_size()

    hidden = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256"]
    ways = [*((mech, "none") for mech in hidden), ("PLAIN", "starttls"), ("CRAM-MD5", "starttls"),
            ("LOGIN", "tls"), ("SCRAM-SHA-256", "tls")]
    for mech, tls in ways:
        say(f"{mech}, {TLS[tls]}{': the password does not cross the wire' * (tls == 'none')}.")
        send(server, mech, tls)

    say("A wrong password is refused, whichever mechanism carries it.")
    for mech in hidden:
        send(server, mech, "none", "535 ", WRONG)
    send(server, "PLAIN", "starttls", "535 ", WRONG)
    send(server, "LOGIN", "tls", "535 ", WRONG)

    say("PLAIN without TLS is not offered, and refused to a client that tries it all the same.")
    send(server, "PLAIN", "none", "*** Auth not attempted, requested type not available")
    send_plain_anyway(server)
    logged(server, start, [mech for mech, _tls in ways])


def own_mechanisms(server):
    """Logins where libsasl2 has no mechanisms, with ours in their place."""
    say("Now take libsasl2's own mechanisms away and let libmailauth's stand in for them.")
    print(f"$ rm /usr/lib/*/sasl2/{{{','.join(STOCK_MECHANISMS)}}}.so")
    server.use_own_mechanisms()
    left = server.shell("ls /usr/lib/*/sasl2").stdout.split()
    if set(left) & {f"{name}.so" for name in STOCK_MECHANISMS}:
        raise Wrong(f"libsasl2 still has {left}")
    show(server, "grep", "^mailauth_mechs", Postfix.sasl_conf)
    print("$ postfix reload", flush=True)
    server.reload()
    start = server.log_size()
    mechs = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-256"]
    for mech in mechs:
        send(server, mech, "none")
    for mech in mechs:
        send(server, mech, "none", "535 ", WRONG)
    lines = logged(server, start, mechs)
    for mech in mechs:  # libsasl2's own mechanisms leave no such line
        if not any(f"reason=wrong-proof mech={mech} " in line for line in lines):
            raise Wrong(f"the log does not show that libmailauth refused {mech}")


def unix_user(server):
    """A user of Unix comes over with his password, which nobody but he knows."""
    say("Bring a user of Unix along. This machine has one, with a yescrypt hash in /etc/shadow.")
    show(server, "useradd", "-M", "-c", "Uma", UNIX_USER)
    show(server, "chpasswd", "-c", "YESCRYPT", stdin=f"{UNIX_USER}:{UNIX_PASSWORD}")
    show(server, "mailuser", "import", "shadow", "--only", UNIX_USER)
    say("The hash is good for PLAIN and LOGIN. smtpd may write down what the other mechanisms need"
        " when it sees the password.")
    print(f"$ echo 'auto_transition: yes' >>{Postfix.sasl_conf}; postfix reload", flush=True)
    server.set_sasl_option("auto_transition: yes")
    server.reload()
    who = {"user": UNIX_USER, "password": UNIX_PASSWORD}
    send(server, "CRAM-MD5", "none", "535 ", **who)
    send(server, "PLAIN", "starttls", "535 ", WRONG, user=UNIX_USER)
    send(server, "PLAIN", "starttls", **who)
    say("Now Thunderbird may be set to \"encrypted password\", and the phone to SCRAM.")
    send(server, "CRAM-MD5", "none", **who)
    send(server, "SCRAM-SHA-256", "starttls", **who)
    send(server, "CRAM-MD5", "none", "535 ", WRONG, user=UNIX_USER)
    account = show(server, "mailuser", "show", UNIX_USER)
    if not re.search("crypt.*cram-md5|cram-md5.*crypt", account):
        raise Wrong("the account has not got a verifier for CRAM-MD5 beside its hash")
    say("Is everything set up as it should be?")
    show(server, "mailuser", "doctor")


def main():
    """Exit status 0 only if every step went as it should."""
    work = pathlib.Path(sys.argv[1])
    try:
        print("# Install it into a private copy of this machine", flush=True)
        sandbox.install(work / "tree")
        with Postfix(work / "postfix" / "run", work / "tree") as server:
            make_user(server)
            stock_mechanisms(server)
            own_mechanisms(server)
            unix_user(server)
    except (Wrong, sandbox.Failure, AssertionError, OSError, smtplib.SMTPException) as error:
        print(f"\ndemo: FAILED: {error}")
        return 1
    print("\ndemo: everything went as it should")
    return 0


if __name__ == "__main__":
    sys.exit(main())
