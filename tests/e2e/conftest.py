# SPDX-License-Identifier: BSD-2-Clause
"""Fixtures of the end-to-end tests.

They need root, a build folder (MAILAUTH_BUILD, default ./build) and Debian's postfix,
libsasl2-modules, libsasl2-modules-db, sasl2-bin, swaks, libnet-ssleay-perl, curl, openssl, procps
and python3-lmdb. What is missing is an error, not a skip.
"""
import datetime

import pytest

import sandbox
from postfix import Postfix

YESTERDAY = str(datetime.date.today() - datetime.timedelta(days=1))
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


@pytest.fixture(scope="session")
def tree(tmp_path_factory):
    """The build, installed under a folder of its own."""
    folder = tmp_path_factory.mktemp("tree")
    sandbox.install(folder)
    return folder


@pytest.fixture(scope="session")
def new_postfix(tree, tmp_path_factory):
    """A function that makes a running Postfix with the accounts above; use with `with`."""
    def make():
        server = Postfix(tmp_path_factory.mktemp("postfix") / "run", tree)
        try:
            make_accounts(server)
            server.start()
        except BaseException:
            server.close()
            raise
        return server
    return make


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
def server(new_postfix):
    """A Postfix for tests that change nothing but their own accounts."""
    with new_postfix() as postfix:
        yield postfix


@pytest.fixture(scope="module")
def own_server(new_postfix):
    """A Postfix of the module's own, for tests that change its set-up."""
    with new_postfix() as postfix:
        yield postfix
