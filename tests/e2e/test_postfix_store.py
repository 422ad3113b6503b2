# SPDX-License-Identifier: BSD-2-Clause
"""The store under a running smtpd: changes count at once, a store that is away means "later"."""
import shutil

import lmdb
import pytest

from conftest import PASSWORD, password_of
from mailserver import HOSTNAME
from postfix import JAIL
from submit import login

STORE = "/var/lib/mailauth/accounts.mdb"
KEY = "/etc/mailauth/store.key"
CONFIG = "/etc/mailauth/mailauth.conf"
WAYS = [("CRAM-MD5", "none"), ("PLAIN", "starttls"), ("LOGIN", "tls")]
TEMPORARY = "454 4.7.0 Temporary authentication failure"


def smtpd_of(server, start):
    """The process number of the smtpd that served all logins since `start`."""
    pids = {line.split("/smtpd[")[1].split("]")[0]
            for line in server.log_since(start) if "sasl_username=" in line}
    assert len(pids) == 1
    return pids.pop()


@pytest.mark.parametrize("mech,tls", WAYS)
def test_a_changed_password_counts_at_once(own_server, mech, tls):
    start = own_server.log_size()
    assert login(own_server, "bob", password_of("bob"), mech, tls).accepted
    pid = smtpd_of(own_server, start)

    own_server.mailuser("passwd", "--stdin", "bob", stdin="An0ther one\n")
    start = own_server.log_size()
    assert login(own_server, "bob", "An0ther one", mech, tls).accepted
    assert login(own_server, "bob", password_of("bob"), mech, tls).code == 535
    assert smtpd_of(own_server, start) == pid
    own_server.mailuser("passwd", "--stdin", "bob", stdin=password_of("bob") + "\n")


def test_a_new_and_a_deleted_account_count_at_once(own_server):
    before = own_server.smtpd_pids()
    assert login(own_server, "new", PASSWORD, tls="tls").code == 535
    own_server.mailuser("add", "--stdin", "new", stdin=PASSWORD + "\n")
    assert login(own_server, "new", PASSWORD, tls="tls").accepted
    own_server.mailuser("del", "new")
    assert login(own_server, "new", PASSWORD, tls="tls").code == 535
    assert before & own_server.smtpd_pids() or not before


def test_the_jail_holds_nothing_of_ours(own_server):
    assert login(own_server, "alice", PASSWORD, "PLAIN", "tls").accepted
    chrooted = own_server.run("postconf", "-F", "*/inet/chroot").stdout.splitlines()
    assert len(chrooted) == 3 and all(line.endswith("= y") for line in chrooted)
    files = own_server.run("find", JAIL, "-xdev").stdout
    for word in ("mailauth", "accounts", "store.key", ".mdb", "sasl2/"):
        assert word not in files
    inside = own_server.run("grep", "-rl", "mailauth", f"{JAIL}/etc", f"{JAIL}/lib", f"{JAIL}/usr",
                            f"{JAIL}/dev", check=False).stdout
    assert inside == ""


AWAY = {  # what breaks it, what the log names
    "store moved away": (f"mv {STORE} {STORE}.away", STORE),
    "store's folder moved away": ("mv /var/lib/mailauth /var/lib/mailauth.away", STORE),
    "store is no LMDB file": (f"echo nonsense >{STORE}", STORE),
    "store is cut off": (f"truncate -s 4000 {STORE}", STORE),
    "store is empty": (f": >{STORE}", STORE),
    "store is a folder": (f"rm {STORE}; mkdir {STORE}", STORE),
    "key gone": (f"rm {KEY}", KEY),
    "key empty": (f": >{KEY}", KEY),
    "key readable for all": (f"chmod 0644 {KEY}", "chmod 0640"),
    "key not root's": (f"chown postfix {KEY}", KEY),
    "key is a symlink": (f"mv {KEY} {KEY}.real; ln -s {KEY}.real {KEY}", "symbolic link"),
    "configuration with an unknown key": (f"echo nonsense = 1 >>{CONFIG}", f"{CONFIG}:"),
    "configuration names another store": (
        f"sed -i /^store/d {CONFIG}; echo store = lmdb:/nowhere/x.mdb >>{CONFIG}",
        "/nowhere/x.mdb"),
}


@pytest.fixture
def saved(own_server):
    """Puts store, key and configuration back after the test."""
    own_server.shell("mkdir /run/saved; cp -a /var/lib/mailauth /run/saved/lib"
                     "; cp -a /etc/mailauth /run/saved/etc")
    yield own_server
    own_server.shell("rm -rf /var/lib/mailauth /var/lib/mailauth.away /etc/mailauth"
                     "; mv /run/saved/lib /var/lib/mailauth; mv /run/saved/etc /etc/mailauth"
                     "; rmdir /run/saved")
    own_server.reload()


@pytest.mark.parametrize("damage,cause", AWAY.values(), ids=AWAY)
def test_a_store_that_is_away_is_a_temporary_failure(saved, damage, cause):
    saved.shell(damage)
    saved.reload()
    for mech, tls in WAYS:
        start = saved.log_size()
        for name in ("alice", "nobody"):
            assert login(saved, name, PASSWORD, mech, tls).text.startswith(TEMPORARY)
        # The chroot has no file at all; the log must name what is wrong outside of it.
        ours = [line for line in saved.log_since(start)
                if "warning: SASL authentication problem: mailauth " in line]
        assert sum(cause in line for line in ours) >= 2, ours


def test_logins_work_again_after_repair(saved):
    saved.shell(f"mv {STORE} {STORE}.away")
    saved.reload()
    assert login(saved, "alice", PASSWORD).code == 454
    saved.shell(f"mv {STORE}.away {STORE}")
    saved.reload()
    assert login(saved, "alice", PASSWORD).accepted


@pytest.mark.parametrize("damage", ["store moved away", "key gone", "key readable for all"])
def test_a_running_smtpd_never_says_wrong_password(saved, damage):
    assert login(saved, "alice", PASSWORD).accepted
    saved.shell(AWAY[damage][0])
    assert login(saved, "alice", PASSWORD).code in (235, 454)


def edit_store(server, edit, tmp_path):
    """Lets edit(transaction) change the records in a copy of the store, and puts that in place."""
    copy = tmp_path / "accounts.mdb"
    shutil.copyfile(server.path(STORE), copy)
    with lmdb.open(str(copy), subdir=False, lock=False) as env, env.begin(write=True) as txn:
        edit(txn)
    server.path(STORE).write_bytes(copy.read_bytes())
    server.reload()


def key_of(name):
    """The key of an account's record: realm, NUL, local part."""
    return HOSTNAME.encode() + b"\0" + name.encode()


def test_swapped_records_admit_nobody(saved, tmp_path):
    def swap(txn):
        alice, bob = (txn.get(key_of(name)) for name in ("alice", "bob"))
        assert alice and bob
        txn.put(key_of("alice"), bob)
        txn.put(key_of("bob"), alice)

    edit_store(saved, swap, tmp_path)
    for mech, tls in WAYS:
        for name in ("alice", "bob"):
            for password in (PASSWORD, password_of("bob")):
                assert login(saved, name, password, mech, tls).code == 454
        assert login(saved, "carl-cram", PASSWORD).accepted


@pytest.mark.parametrize("at", [0, 1, 2, 8, 0.25, 0.5, 0.75, -17, -1])
def test_a_damaged_record_hurts_its_account_only(saved, tmp_path, at):
    def flip(txn):
        record = bytearray(txn.get(key_of("alice")))
        record[int(at * len(record)) if isinstance(at, float) else at] ^= 0x41
        txn.put(key_of("alice"), bytes(record))

    edit_store(saved, flip, tmp_path)
    start = saved.log_size()
    assert login(saved, "alice", PASSWORD).code == 454
    assert f"alice@{HOSTNAME}" in "\n".join(
        line for line in saved.log_since(start) if "mailauth " in line)
    assert login(saved, "bob", password_of("bob")).accepted
