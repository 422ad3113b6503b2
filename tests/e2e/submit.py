# SPDX-License-Identifier: BSD-2-Clause
"""Handing in mail through one of three SMTP clients: swaks, curl and Python's smtplib.

login() logs in, and sends a mail if that worked. It returns the server's reply to AUTH, whichever
client got it, so that tests compare what users see.
"""
import dataclasses
import re
import smtplib
import ssl
import subprocess

RCPT = "you@elsewhere.test"
SENDER = "alice@mail.example.test"
MAIL = f"From: <{SENDER}>\r\nTo: <{RCPT}>\r\nSubject: e2e\r\n\r\nhello\r\n"


@dataclasses.dataclass
class Reply:
    """The server's answer to the login, and to the mail if one was sent."""
    code: int
    text: str
    queued: str = ""  # queue id
    log: str = ""     # what the client printed

    @property
    def accepted(self):
        """Logged in and mail taken."""
        return self.code == 235 and bool(self.queued)


def _queue_id(text):
    found = re.search(r"queued as ([0-9A-Za-z]+)", text)
    return found.group(1) if found else ""


def _auth_reply(pattern, output):
    """The reply that ended AUTH: the first one with a code that can."""
    for code, text in re.findall(pattern, output, re.MULTILINE):
        if code in ("235", "454", "504", "535", "500", "501", "503", "534", "538"):
            return int(code), f"{code} {text}".strip()
    return 0, ""


def swaks(server, port, tls, mech, user, password):
    """The command swaks."""
    flag = {"none": [], "starttls": ["--tls"], "tls": ["--tls-on-connect"]}[tls]
    done = subprocess.run(
        ["swaks", "--server", "127.0.0.1", "--port", str(port), *flag, "--auth", mech,
         "--auth-user", user, "--auth-password", password, "--from", SENDER, "--to", RCPT,
         "--helo", "client.example.test", "--timeout", "60"],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=180, check=False)
    output = done.stdout + done.stderr
    code, text = _auth_reply(r"^<[-~*]{1,2} +(\d{3}) (.*?)\r?$", output)
    return Reply(code, text, _queue_id(output), output)


def curl(server, port, tls, mech, user, password):
    """The command curl."""
    scheme = "smtps" if tls == "tls" else "smtp"
    flag = ["--ssl-reqd"] if tls == "starttls" else []
    done = subprocess.run(
        ["curl", "--silent", "--show-error", "--verbose", "--max-time", "20", "--disable",
         "--cacert", str(server.certificate), *flag, "--user", f"{user}:{password}",
         "--login-options", f"AUTH={mech}", "--mail-from", SENDER, "--mail-rcpt", RCPT,
         "--upload-file", "-", f"{scheme}://127.0.0.1:{port}/client.example.test"],
        input=MAIL, capture_output=True, text=True, timeout=180, check=False)
    code, text = _auth_reply(r"^< (\d{3}) (.*?)\r?$", done.stderr)
    return Reply(code, text, _queue_id(done.stderr), done.stderr)


def connect(server, port, tls):
    """An smtplib connection, past EHLO and STARTTLS."""
    context = ssl.create_default_context(cafile=server.certificate)
    if tls == "tls":
        smtp = smtplib.SMTP_SSL("127.0.0.1", port, context=context, timeout=60)
    else:
        smtp = smtplib.SMTP("127.0.0.1", port, timeout=60)
    if tls == "starttls":
        smtp.starttls(context=context)
    smtp.ehlo("client.example.test")
    return smtp


def authenticate(smtp, mech, user, password):
    """Logs in on a connection; returns the code and the text of the reply."""
    smtp.user, smtp.password = user, password
    method = {"PLAIN": smtp.auth_plain, "LOGIN": smtp.auth_login,
              "CRAM-MD5": smtp.auth_cram_md5}[mech]
    try:
        code, text = smtp.auth(mech, method)
    except smtplib.SMTPAuthenticationError as error:
        code, text = error.smtp_code, error.smtp_error
    return code, f"{code} {text.decode()}"


def python(server, port, tls, mech, user, password):
    """Python's smtplib."""
    with connect(server, port, tls) as smtp:
        code, text = authenticate(smtp, mech, user, password)
        if code != 235:
            return Reply(code, text)
        smtp.mail(SENDER)
        smtp.rcpt(RCPT)
        return Reply(code, text, _queue_id(smtp.data(MAIL)[1].decode()))


CLIENTS = {"swaks": swaks, "curl": curl, "python": python}


def port_for(server, tls):
    """The port that speaks TLS in this way."""
    return server.submissions if tls == "tls" else server.submission


def login(server, user, password, mech="CRAM-MD5", tls="starttls", client="python", port=None):
    """Logs in and sends a mail; returns a Reply."""
    return CLIENTS[client](server, port or port_for(server, tls), tls, mech, user, password)
