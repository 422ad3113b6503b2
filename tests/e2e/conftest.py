# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the end-to-end tests.

They need root, a build folder (MAILAUTH_BUILD, default ./build), a folder with the unpacked
packages of the servers that cannot be installed beside Postfix (MAILAUTH_SERVERS, see
mailserver.py), and the packages that scripts/packages.sh lists in packages_mail. What is missing is
an error, not a skip.
"""
import contextlib
import datetime
import time

import pytest

import sandbox
from cyrus import Cyrus
from exim import Exim
from postfix import Postfix
from sendmail import Sendmail

SERVERS = {"postfix": Postfix, "sendmail": Sendmail, "exim": Exim, "cyrus": Cyrus}
YESTERDAY = str(datetime.datetime.now(datetime.timezone.utc).date() - datetime.timedelta(days=1))
PASSWORDS = {"bob": "Build3r, bob's"}
PASSWORD = "Wonder-1and, tea & cake"  # of all the others
ACCOUNTS = {  # name: options of "mailuser add"
    "alice": ["-G", "smtp,imap"],
    "bob": ["-G", "smtp"],
    "carl-cram": ["-G", "smtp", "--mech", "CRAM-MD5"],
    "eve-expired": ["-G", "smtp", "-e", YESTERDAY],
    "lou-locked": ["-G", "smtp"],
    "gus-groupless": [],
    "ian-imap": ["-G", "imap"],
}


@pytest.fixture(autouse=True)
def one_day():
    """No test meets midnight, where dates change (UTC): it is let pass before."""
    left = 86400 - time.time() % 86400
    if left < 120:
        time.sleep(left + 1)


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The build, installed under a folder of its own."""
    folder = tmp_path_factory.mktemp("tree")
    sandbox.install(folder)
    return folder


@pytest.fixture(scope="session")
def new_server(tree, tmp_path_factory):
    """A function that makes a running server with the accounts above; use with `with`.

    Names: see SERVERS. Mechanisms: "stock" are those that libsasl2 brings, "own" are ours.
    """
    def make(name, mechanisms="stock"):
        server = SERVERS[name](tmp_path_factory.mktemp(name) / "run", tree)
        try:
            if mechanisms == "own":
                server.use_own_mechanisms()
            make_accounts(server)
            server.start()
        except BaseException:
            server.close()
            raise
        return server
    return make


@pytest.fixture(scope="session")
def shared_server(new_server):
    """As new_server, but the servers are shared by the whole session: shared_server("exim", "own").
    For tests that change nothing but their own accounts."""
    running = {}
    with contextlib.ExitStack() as stack:
        def get(name, mechanisms="stock"):
            if (name, mechanisms) not in running:
                running[name, mechanisms] = stack.enter_context(new_server(name, mechanisms))
            return running[name, mechanisms]
        yield get


def make_accounts(server):
    """Makes the store with ACCOUNTS in it."""
    server.mailuser("init")
    for name, options in ACCOUNTS.items():
        server.mailuser("add", *options, "--stdin", name, stdin=password_of(name) + "\n")
    server.mailuser("passwd", "--lock", "lou-locked")


def password_of(name):
    """The password that account was made with."""
    return PASSWORDS.get(name, PASSWORD)


@pytest.fixture(scope="session")
def server(shared_server):
    """A Postfix for tests that change nothing but their own accounts."""
    return shared_server("postfix")


@pytest.fixture(scope="module")
def own_server(new_server):
    """A Postfix of the module's own, for tests that change its set-up."""
    with new_server("postfix") as postfix:
        yield postfix
