# SPDX-License-Identifier: BSD-2-Clause
"""The load of the soak: clients that log in at a steady rate, and an administrator who goes on
changing the accounts under them. Each is a process of its own, so that none waits for another.

What they share is one number per account, which counts beginnings and ends of changes: odd while a
change is under way. The number tells the passwords, too. A client looks at it before the login and
afterwards: if it stayed the same and is even, there is one right answer. Otherwise the account was
changed meanwhile, and either counts; but a password that the account never had is always wrong.
"""
import base64
import dataclasses
import hashlib
import random
import time

import byhand
from wire import Connection, Outcome, Unexpected

PLAINTEXT = ("PLAIN", "LOGIN")  # offered under TLS only
MECHANISMS = (*PLAINTEXT, "CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256")
RCPT = "you@elsewhere.test"
MAIL_LINES = 40


class Accounts:
    """Names, and how often each was changed. Of four accounts one stays as it is, two get new
    passwords, and one comes and goes: after every second change it does not exist."""

    def __init__(self, context, count, seed):
        self.counters = context.RawArray("Q", count)
        self._seed = seed

    def __len__(self):
        return len(self.counters)

    @staticmethod
    def name(i):
        """The account's name."""
        return f"user{i}"

    @staticmethod
    def kind(i):
        """What happens to it."""
        return ("stays", "changes", "comes and goes", "changes")[i % 4]

    def of_kind(self, kind):
        """The numbers of the accounts that this happens to."""
        return [i for i in range(len(self)) if self.kind(i) == kind]

    def serial(self, i):
        """How often it was changed."""
        return self.counters[i] // 2

    def password(self, i, serial):
        """The password after so many changes; of one account in five with other than ASCII."""
        digest = hashlib.sha256(f"{self._seed} {i} {serial}".encode()).digest()
        return base64.b64encode(digest[:12]).decode() + ("\u00fc" if i % 5 == 0 else "")

    def exists(self, i, serial):
        """Is there such an account after so many changes?"""
        return self.kind(i) != "comes and goes" or serial % 2 == 0


# ---- clients ---------------------------------------------------------------------------------

@dataclasses.dataclass(frozen=True)
class Attempt:
    """A login that is to be tried, and what has to come of it (None: either)."""
    account: int
    password: str
    what: str      # "right", "wrong", "old"
    counter: int
    wanted: Outcome


def choose_attempt(accounts, chance):
    """Mostly the right password, else one that was never right, or the one before."""
    i = chance.randrange(len(accounts))
    counter = accounts.counters[i]
    serial = counter // 2
    what = chance.choices(("right", "wrong", "old"), (70, 20, 10))[0]
    if what == "old" and (accounts.kind(i) != "changes" or serial == 0):
        what = "right"
    if what == "wrong":
        return Attempt(i, accounts.password(i, "never"), what, counter, Outcome.REFUSED)
    if what == "old":
        return Attempt(i, accounts.password(i, serial - 1), what, counter, Outcome.REFUSED)
    exists = accounts.exists(i, serial)
    return Attempt(i, accounts.password(i, serial if exists else serial - 1), what, counter,
                   Outcome.ACCEPTED if exists else Outcome.REFUSED)


def verdict(accounts, attempt, outcome):
    """What is wrong with that outcome, or None."""
    if outcome not in (Outcome.ACCEPTED, Outcome.REFUSED):
        return f"{outcome.value}"
    meanwhile = attempt.counter % 2 == 1 or accounts.counters[attempt.account] != attempt.counter
    if outcome is attempt.wanted or (meanwhile and attempt.what != "wrong"):
        return None
    return f"{outcome.value} with the {attempt.what} password"


class TimedConnection(Connection):
    """Adds up the time between a line of ours and the end of the server's reply to it, so that what
    the client computes itself is left out."""

    waited = 0.0

    def reply(self):
        start = time.monotonic()
        line = super().reply()
        self.waited += time.monotonic() - start
        return line

    def send_mail(self, sender):
        """A whole mail."""
        self.command(f"MAIL FROM:<{sender}>")
        self.command(f"RCPT TO:<{RCPT}>")
        if not self.ask("DATA").startswith("354"):
            raise self.unexpected("the server wants no mail")
        for line in ("Subject: soak", "", *(["to and fro"] * MAIL_LINES)):
            self.sock.sendall(line.encode() + b"\r\n")
        self.command(".")


class Client:
    """One client's logins, and what came of them."""

    def __init__(self, number, accounts, endpoints, certificate):
        self.accounts, self.endpoints, self.certificate = accounts, endpoints, certificate
        self.chance = random.Random(number)
        self.times = {}   # (mechanism, outcome): seconds of each AUTH
        self.counts = dict.fromkeys(("logins", "right", "wrong", "old", "accepted", "refused",
                                     "during a change", "mails", "late"), 0)
        self.faults = []  # texts

    def run(self, rate, until):
        """Logs in `rate` times a second; what it cannot keep up with is counted as late."""
        due = time.monotonic() + self.chance.random() / rate
        while due < until:
            time.sleep(max(0, due - time.monotonic()))
            self.log_in()
            due += 1 / rate
            if time.monotonic() > due + 1 / rate:
                self.counts["late"] += 1
                due = time.monotonic()

    def log_in(self):
        """One connection with one login, and sometimes a mail."""
        mech = self.chance.choice(MECHANISMS)
        endpoint = self.chance.choice([endpoint for endpoint in self.endpoints
                                       if mech not in PLAINTEXT or endpoint.tls != "none"])
        what = f"{mech}, {endpoint.tls}"
        try:
            with TimedConnection(endpoint, self.certificate) as connection:
                self._authenticate(connection, mech, what)
        except (OSError, Unexpected) as error:
            self._note(f"{what}: {type(error).__name__}: {error}")

    def _authenticate(self, connection, mech, what):
        attempt = choose_attempt(self.accounts, self.chance)
        connection.waited = 0.0
        outcome = byhand.log_in(connection, mech, self.accounts.name(attempt.account),
                                attempt.password)
        fault = verdict(self.accounts, attempt, outcome)
        if fault:
            self._note(f"{what}: {self.accounts.name(attempt.account)}: {fault}:"
                       f" {connection.last_words}")
        self.times.setdefault((mech, outcome.value), []).append(connection.waited)
        self.counts["logins"] += 1
        self.counts[attempt.what] += 1
        if outcome in (Outcome.ACCEPTED, Outcome.REFUSED):
            self.counts[outcome.value] += 1
        if attempt.counter % 2 or self.accounts.counters[attempt.account] != attempt.counter:
            self.counts["during a change"] += 1
        if outcome is Outcome.ACCEPTED and self.chance.random() < 0.1:
            connection.send_mail(f"{self.accounts.name(attempt.account)}@mail.example.test")
            self.counts["mails"] += 1

    def _note(self, text):
        self.faults.append(f"{time.strftime('%H:%M:%S')} {text}")


def client_process(number, accounts, server, rate, until, results):
    """The body of a client's process: `server` is (endpoints, certificate)."""
    client = Client(number, accounts, *server)
    client.run(rate, until)
    results.put(("client", client.counts, client.times, client.faults))


# ---- the administrator -----------------------------------------------------------------------

class Administrator:
    """Changes accounts by `mailuser`, one command at a time."""

    def __init__(self, accounts, server):
        self.accounts, self.server = accounts, server
        self.chance = random.Random("administrator")
        self.counts = dict.fromkeys(("passwd", "chpasswd", "add", "del"), 0)
        self.faults = []

    def make_accounts(self):
        """All of them, to begin with."""
        lines = [f"{self.accounts.name(i)}:{self.accounts.password(i, 0)}:::::\n"
                 for i in range(len(self.accounts))]
        self.server.mailuser("newusers", stdin="".join(lines))

    def run(self, rate, until):
        """`rate` changes a second."""
        due = time.monotonic()
        while due < until:
            time.sleep(max(0, due - time.monotonic()))
            self.chance.choices((self.passwd, self.chpasswd, self.come_or_go), (5, 1, 4))[0]()
            due = max(due + 1 / rate, time.monotonic())

    def passwd(self):
        """One password."""
        i = self.chance.choice(self.accounts.of_kind("changes"))
        password = self.accounts.password(i, self.accounts.serial(i) + 1)
        self._change([i], "passwd", "--stdin", self.accounts.name(i), stdin=password + "\n")

    def chpasswd(self):
        """Some passwords at once."""
        some = self.chance.sample(self.accounts.of_kind("changes"), 5)
        lines = [f"{self.accounts.name(i)}:"
                 f"{self.accounts.password(i, self.accounts.serial(i) + 1)}\n" for i in some]
        self._change(some, "chpasswd", stdin="".join(lines))

    def come_or_go(self):
        """An account is deleted, or made again."""
        i = self.chance.choice(self.accounts.of_kind("comes and goes"))
        serial = self.accounts.serial(i)
        if self.accounts.exists(i, serial):
            self._change([i], "del", self.accounts.name(i))
        else:
            self._change([i], "add", "--stdin", self.accounts.name(i),
                         stdin=self.accounts.password(i, serial + 1) + "\n")

    def _change(self, some, command, *args, stdin=None):
        for i in some:
            self.accounts.counters[i] += 1
        done = self.server.mailuser(command, *args, stdin=stdin, check=False)
        self.counts[command] += 1
        if done.returncode != 0:
            self.faults.append(f"{time.strftime('%H:%M:%S')} mailuser {command}:"
                               f" {done.returncode}: {done.stdout}{done.stderr}")
            return  # the counters stay odd: nobody knows which password counts
        for i in some:
            self.accounts.counters[i] += 1


def administrator_process(accounts, server, rate, until, results):
    """The body of the administrator's process."""
    administrator = Administrator(accounts, server)
    administrator.run(rate, until)
    results.put(("administrator", administrator.counts, {}, administrator.faults))
