#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""accounts.py FORMAT COUNT: the benchmarks' accounts, user000000 and so on, for others to load.

    json    for "mailuser import json", from one exported account on standard input: the same
            password and salts for all, since to derive each one's would take hours
    sasldb  for "db_load -T -t hash", as saslpasswd2 leaves them
    sqlite  a database, a row for each property of an account; the third argument is its name
"""
import hashlib
import json
import sqlite3
import sys

PASSWORD = "correct horse battery staple"
REALM = "example.org"


def json_lines(names):
    """The exported account under other names; all its forms of DIGEST-MD5's hash have the name."""
    account = json.load(sys.stdin)
    realms = sorted({form.split(":")[1] for form in account["secrets"].get("digest-md5", [])})
    for name in names:
        full = f"{name}@{REALM}"
        account["name"] = full
        account["home"] = f"/var/vmail/{REALM}/{name}"
        if realms:
            account["secrets"]["digest-md5"] = [
                f"{form}:{realm}:"
                + hashlib.md5(f"{form}:{realm}:{PASSWORD}".encode()).hexdigest()
                for realm in realms for form in (name, full)]
        yield json.dumps(account)


def sasldb_lines(names):
    """Keys and values in turn."""
    for name in names:
        yield f"{name}\\00{REALM}\\00userPassword"
        yield PASSWORD


def make_sqlite(path, names):
    """A new database."""
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE properties (name TEXT, realm TEXT, property TEXT, value TEXT,"
                   " PRIMARY KEY (name, realm, property)) WITHOUT ROWID")
        db.executemany("INSERT INTO properties VALUES (?, ?, 'userPassword', ?)",
                       ((name, REALM, PASSWORD) for name in names))


def main():
    """Writes the lines."""
    names = (f"user{i:06}" for i in range(int(sys.argv[2])))
    if sys.argv[1] == "sqlite":
        make_sqlite(sys.argv[3], names)
        return
    for line in {"json": json_lines, "sasldb": sasldb_lines}[sys.argv[1]](names):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
