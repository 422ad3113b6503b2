# SPDX-License-Identifier: BSD-2-Clause
"""mailuser store and mailuser rekey: what they do, and what is left when they are interrupted.

On stores in temporary folders, as test_mailuser.py; the last tests on a running Postfix, whose
smtpd keeps the keys that it read when it started.
"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time

import lmdb
import pytest

from conftest import PASSWORD, password_of
from submit import login
from test_mailuser import PROGRAM, Tool
from test_postfix_store import smtpd_of

REPO = pathlib.Path(__file__).resolve().parent.parent.parent
NAMES = ("alice", "bob", "carl", "dora")
WRITING = ("write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "msync", "ftruncate",
           "fchmod", "fchown", "rename", "renameat", "renameat2", "link", "unlink", "close")
READER = """
import lmdb, sys, time
store = lmdb.open(sys.argv[1], subdir=False, readonly=True, max_readers=2046)
with store.begin():
    print("reading", flush=True)
    time.sleep(3600)
"""


@pytest.fixture(name="tool")
def tool_fixture(tmp_path):
    """A store with four accounts."""
    tool = Tool(tmp_path / "mailauth")
    tool.ok("init")
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\nstore_timeout = 5\n")
    for name in NAMES:
        tool.add(name, password=f"secret of {name}".encode())
    return tool


def other(tool, store, key=None):
    """The same with another store, and perhaps another key file."""
    config = tool.folder / f"{store.name}.conf"
    text = tool.config.read_text(encoding="utf-8")
    text = re.sub("(?m)^store = .*", f"store = lmdb:{store}", text)
    if key:
        text = re.sub("(?m)^key_file = .*", f"key_file = {key}", text)
    config.write_text(text, encoding="utf-8")
    made = Tool(tool.folder)
    made.config, made.store, made.key = config, store, key or tool.key
    return made


def opens(tool, names=NAMES):
    """Do all accounts log in with their own passwords, and with no other?"""
    return all(tool.accepts(name, f"secret of {name}".encode())
               and not tool.accepts(name, b"wrong") for name in names)


def records(store):
    """All records of a store, by key."""
    with lmdb.open(str(store), subdir=False, readonly=True, max_readers=2046) as env:
        with env.begin() as txn:
            return dict(txn.cursor())


def damage(store, name, change):
    """Changes the record of an account behind the library's back."""
    key = b"lab.test\0" + name.encode()
    with lmdb.open(str(store), subdir=False, max_readers=2046) as env:
        with env.begin(write=True) as txn:
            txn.put(key, change(bytearray(txn.get(key))))


def flip_last(record):
    """The same with one bit changed."""
    record[-1] ^= 1
    return bytes(record)


def keys(tool):
    """The lines of the key file that hold keys, by their ids."""
    lines = tool.key.read_text(encoding="utf-8").splitlines()
    return {int(line.split()[0]): line for line in lines if line[:1].isdigit()}


@contextlib.contextmanager
def reader(store):
    """A process that reads the store until it is killed, at the end or before."""
    process = subprocess.Popen([sys.executable, "-c", READER, store], stdout=subprocess.PIPE)
    try:
        assert process.stdout.readline() == b"reading\n"
        yield process
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


# ---- store -------------------------------------------------------------------------------------

@pytest.mark.parametrize("args, message", [
    ([], "check . copy URL . stat is missing"),
    (["mend"], "'mend' is nothing that can be done to a store: choose one of check, copy, stat"),
    (["copy"], "where to. Give a path or the URL of a store"),
    (["copy", ""], "the name of the copy is empty"),
    (["copy", "/" * 5000], "too long"),
    (["stat", "x"], "unexpected argument 'x'"),
    (["copy", "/x", "y"], "unexpected argument 'y'"),
])
def test_store_wrong_usage_is_explained(tool, args, message):
    tool.fails(2, message, "store", *args)


def test_stat_measures(tool):
    shown = json.loads(tool.ok("store", "stat", "--json"))
    assert shown["store"] == f"lmdb:{tool.store}" and shown["scheme"] == "lmdb"
    assert shown["accounts"] == len(NAMES)
    assert 0 < shown["bytes_used"] <= shown["bytes_file"] == tool.store.stat().st_size
    assert shown["bytes_max"] == 64 << 30
    assert shown["percent"] == pytest.approx(100 * shown["bytes_used"] / shown["bytes_max"])
    assert set(shown) == members("stat")


def members(action):
    """The JSON members that the manual page names."""
    page = (REPO / "tools/mailuser/mailuser-store.8").read_text(encoding="utf-8")
    part = page.partition(".Ss JSON")[2].partition(f".It Cm {action}")[2].partition("\n.It ")[0]
    return set(re.findall(r"^\.Ql (\w+)", part, re.M))


def test_stat_shows_how_full_it_is(tmp_path):
    tool = Tool(tmp_path)
    tool.config.write_text(f"store = lmdb:{tool.store}\nkey_file = {tool.key}\nmap_size = 1M\n"
                           "default_realm = lab.test\n", encoding="utf-8")
    tool.ok("init")
    tool.add("alice")
    shown = json.loads(tool.ok("store", "stat", "--json"))
    assert shown["bytes_max"] == 1 << 20 and 0.1 < shown["percent"] < 5
    assert re.search(r"^limit: +1.0 MiB, [0-9.]+ % used$", tool.ok("store", "stat"), re.M)


def test_stat_counts_readers_and_check_clears_dead_ones(tool):
    def count():
        return json.loads(tool.ok("store", "stat", "--json"))["readers"]
    before = count()
    with reader(tool.store), reader(tool.store) as process:
        assert count() == before + 2
        process.kill()
        process.wait()
        assert count() == before + 2, "nobody noticed yet"
        assert "cleared what 1 dead reader left\n" in tool.ok("store", "check")
        assert count() == before + 1
        assert json.loads(tool.ok("store", "check", "--json"))["readers_cleared"] == 0


def test_check_opens_every_record(tool):
    assert tool.ok("store", "check") == f"lmdb:{tool.store}: 4 accounts in order, 0 damaged\n"
    shown = json.loads(tool.ok("store", "check", "--json"))
    assert shown == {"store": f"lmdb:{tool.store}", "good": 4, "damaged": 0, "names": [],
                     "readers_cleared": 0}
    assert set(shown) == members("check")


@pytest.mark.parametrize("change", [
    flip_last, lambda record: b"", lambda record: bytes(record[:-1]),
    lambda record: b"\xff" * 20000, lambda record: bytes(record[:1]) + bytes(len(record) - 1)],
    ids=["bit", "empty", "cut", "long", "zeros"])
def test_check_names_what_is_damaged(tool, change):
    damage(tool.store, "bob", change)
    damage(tool.store, "dora", change)
    before = records(tool.store)
    done = tool.run("store", "check")
    assert done.returncode == 1
    assert done.stdout == f"lmdb:{tool.store}: 2 accounts in order, 2 damaged\n"
    for name, line in zip(("bob", "dora"), done.stderr.splitlines(), strict=True):
        assert line.startswith(f"mailuser: the record of {name}@lab.test in lmdb:{tool.store} is")
        assert "delete" in line and "add the account" in line, "it says what to do"
    done = tool.run("store", "check", "--json")
    shown = json.loads(done.stdout)
    assert done.returncode == 1 and (shown["good"], shown["damaged"]) == (2, 2)
    assert shown["names"] == ["bob@lab.test", "dora@lab.test"]
    assert records(tool.store) == before and opens(tool, ("alice", "carl"))


def test_check_finds_a_record_of_somebody_else(tool):
    alice = records(tool.store)[b"lab.test\0alice"]
    damage(tool.store, "bob", lambda record: alice)
    done = tool.run("store", "check")
    assert done.returncode == 1 and "the record of bob@lab.test" in done.stderr


def test_copy_is_a_store(tool, tmp_path):
    copy = tmp_path / "copy.mdb"
    assert tool.ok("store", "copy", copy) == (
        f"lmdb:{copy}: 4 accounts copied and checked\nThey open with the keys in {tool.key} only:"
        " keep a copy of that file too, in another place\n")
    assert records(copy) == records(tool.store)
    for suffix, mode in ("", 0o640), ("-lock", 0o660):
        made = pathlib.Path(f"{copy}{suffix}").stat()
        assert stat.S_IMODE(made.st_mode) == mode
        assert (made.st_uid, made.st_gid) == (0, tool.key.stat().st_gid)
    copied = other(tool, copy)
    assert copied.ok("list", "--json") == tool.ok("list", "--json") and opens(copied)
    copied.ok("passwd", "--stdin", "alice", stdin=b"another\n")
    assert opens(tool), "the two have nothing in common"


def test_copy_takes_a_url_or_a_path(tool, tmp_path):
    shown = json.loads(tool.ok("store", "copy", "--json", f"lmdb:{tmp_path}/url.mdb"))
    assert shown == {"copy": f"lmdb:{tmp_path}/url.mdb", "accounts": 4}
    assert set(shown) == members("copy")
    subprocess.run([PROGRAM, "store", "copy", "--config", tool.config, "relative.mdb"],
                   cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert records(tmp_path / "url.mdb") == records(tmp_path / "relative.mdb")


def test_copy_keeps_what_is_there(tool, tmp_path):
    copy = tmp_path / "copy.mdb"
    tool.ok("store", "copy", copy)
    before = copy.read_bytes()
    tool.ok("del", "dora")
    tool.fails(9, f"there are accounts in lmdb:{copy} already", "store", "copy", copy)
    assert copy.read_bytes() == before
    tool.fails(9, "there are accounts in .* already", "store", "copy", tool.store)
    text = tmp_path / "letter.txt"
    text.write_text("Dear all,\n" * 1000, encoding="utf-8")
    done = tool.run("store", "copy", text)
    assert done.returncode == 1 and str(text) in done.stderr
    assert text.read_text(encoding="utf-8") == "Dear all,\n" * 1000


@pytest.mark.parametrize("where, message", [
    ("/no/such/folder/copy.mdb", "folder does not exist"), ("nosuch:copy", "no such kind of store"),
    ("/etc", "/etc")])
def test_copy_that_cannot_be_made_is_explained(tool, where, message):
    done = tool.run("store", "copy", where)
    assert done.returncode == 1 and re.search(message, done.stderr), done
    assert opens(tool)


def test_copy_refuses_a_damaged_store(tool, tmp_path):
    damage(tool.store, "bob", flip_last)
    done = tool.run("store", "copy", tmp_path / "copy.mdb")
    assert done.returncode == 1 and "the record of bob@lab.test" in done.stderr
    assert not (tmp_path / "copy.mdb").exists() or records(tmp_path / "copy.mdb") == {}


def test_copy_is_of_one_moment(tool, tmp_path):
    """While accounts are added one after the other, a copy never has one without those before."""
    done = threading.Event()

    def add():
        for i in range(60):
            tool.run("add", "-p", "$6$saltsalt$" + "a" * 86, f"user{i:02}")
        done.set()
    thread = threading.Thread(target=add)
    thread.start()
    sizes = set()
    while not done.is_set():
        copy = tmp_path / f"copy{len(list(tmp_path.glob('copy*-lock')))}.mdb"
        tool.ok("store", "copy", copy)
        users = sorted(key.split(b"\0")[1] for key in records(copy))[len(NAMES):]
        assert users == [b"user%02d" % i for i in range(len(users))]
        sizes.add(len(users))
    thread.join()
    assert len(sizes) > 5, "the copies were made while accounts were added"


def test_copy_that_is_killed_can_be_made_again(crowded, tmp_path):
    tool, n, _ = crowded
    whole = 0
    for i, delay in enumerate(moments(tool, "store", "copy", tmp_path / "timing.mdb", count=12)):
        copy = tmp_path / f"copy{i}.mdb"
        kill_after(delay, tool, "store", "copy", copy)
        if copy.exists() and copy.stat().st_size > 0 and len(records(copy)) > 0:
            assert len(records(copy)) == n, "all or nothing"
            whole += 1
        else:
            tool.ok("store", "copy", copy)
            assert len(records(copy)) == n
    assert whole < 12, "none was interrupted"


# ---- rekey -------------------------------------------------------------------------------------

def test_rekey_wrong_usage_is_explained(tool):
    tool.fails(2, "--prepare comes first and --prune last", "rekey", "--prune", "--prepare")
    tool.fails(2, "unexpected argument 'alice'", "rekey", "alice")


def test_rekey_needs_root(tool):
    before = tool.key.read_bytes(), records(tool.store)
    done = subprocess.run(  # one who may enter the build folder, wherever it is
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
         "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", PROGRAM, "rekey",
         "--config", tool.config], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "run it as root" in done.stderr
    assert (tool.key.read_bytes(), records(tool.store)) == before


def test_rekey_in_three_steps(tool):
    old_keys, old_records = keys(tool), records(tool.store)
    old = tool.key.stat()

    assert "next: restart every server" in tool.ok("rekey", "--prepare")
    prepared = keys(tool)
    assert prepared.keys() > old_keys.keys() and len(prepared) == 2
    assert records(tool.store) == old_records and opens(tool), "nothing is sealed with it yet"
    tool.ok("passwd", "--stdin", "alice", stdin=b"secret of alice\n")
    tool.key.write_text("\n".join(old_keys.values()) + "\n", encoding="utf-8")
    assert opens(tool), "not even a new password"
    tool.key.write_text("\n".join(prepared.values()) + "\n", encoding="utf-8")

    assert tool.ok("rekey").startswith("4 accounts sealed with the newest key\nnext: ")
    new_records = records(tool.store)
    assert opens(tool) and keys(tool).keys() == prepared.keys()
    assert all(new_records[key] != old_records[key] for key in old_records)

    assert tool.ok("rekey", "--prune").startswith("1 key removed that no account needs\n")
    pruned = keys(tool)
    assert len(pruned) == 1 and not pruned.keys() & old_keys.keys()
    assert records(tool.store) == new_records and opens(tool)
    new = tool.key.stat()
    assert (new.st_mode, new.st_uid, new.st_gid) == (old.st_mode, old.st_uid, old.st_gid)


def test_rekey_changes_nothing_but_the_seal(tool):
    before = json.loads(tool.ok("list", "--json"))
    tool.ok("rekey")
    after = json.loads(tool.ok("list", "--json"))
    for account in (*before, *after):
        account.pop("generation")
        account.pop("modified")
    assert after == before and opens(tool)


def test_rekey_needs_no_preparation(tool):
    tool.ok("rekey")
    assert len(keys(tool)) == 2 and opens(tool)


def test_every_step_can_be_repeated(tool):
    for _ in range(2):
        tool.ok("rekey", "--prepare")
    assert len(keys(tool)) == 2
    tool.ok("rekey")
    tool.ok("rekey", "--prune")
    assert tool.ok("rekey", "--prune") == "0 keys removed that no account needs\n"
    tool.ok("rekey", "--prepare")
    tool.ok("rekey", "--prune")
    assert len(keys(tool)) == 2 and opens(tool), "a prepared key is not one that nobody needs"


def test_the_old_key_opens_nothing_new(tool, tmp_path):
    saved_key, saved_store = tmp_path / "old.key", tmp_path / "old.mdb"
    tool.ok("store", "copy", saved_store)
    saved_key.write_bytes(tool.key.read_bytes())
    saved_key.chmod(0o640)
    tool.ok("rekey")
    tool.ok("rekey", "--prune")
    done = other(tool, tool.store, saved_key).run("store", "check")
    assert done.returncode == 1 and ": 0 accounts in order, 4 damaged" in done.stdout
    assert "the key that sealed it is not among this program's" in done.stderr
    assert opens(other(tool, saved_store, saved_key)), "an old backup opens with the old key"
    assert other(tool, saved_store).run("store", "check").returncode == 1


def test_rekey_of_a_damaged_store_changes_nothing(tool):
    damage(tool.store, "bob", flip_last)
    before = records(tool.store)
    for step in [], ["--prune"]:
        done = tool.run("rekey", *step)
        assert done.returncode == 1 and "the record of bob@lab.test" in done.stderr
    assert records(tool.store) == before and opens(tool, ("alice", "carl", "dora"))
    tool.ok("del", "bob")
    assert tool.ok("rekey").startswith("3 accounts sealed")


def test_a_full_key_file_is_explained(tool):
    for _ in range(20):
        done = tool.run("rekey")
        if done.returncode != 0:
            break
    assert done.returncode != 0 and len(keys(tool)) == 16 and opens(tool)
    assert "is full" in done.stderr and "remove the keys that no account needs" in done.stderr
    assert tool.ok("rekey", "--prune").startswith("15 keys removed")
    tool.ok("rekey")
    assert opens(tool)


# ---- interrupted -------------------------------------------------------------------------------

@pytest.fixture(name="crowded", scope="module")
def crowded_fixture(tmp_path_factory):
    """A store with enough accounts that a rekey takes a while; their number; some of them."""
    tool = Tool(tmp_path_factory.mktemp("crowded") / "mailauth")
    tool.ok("init")
    with tool.config.open("a", encoding="utf-8") as config:
        config.write("default_realm = lab.test\nmechanisms = CRAM-MD5\n")
    lines = "".join(f"user{i}:secret of user{i}:::::\n" for i in range(2000))
    tool.ok("newusers", stdin=lines.encode())
    return tool, 2000, ("user0", "user999", "user1999")


def moments(tool, *args, count):
    """Delays all over the time that a command takes."""
    start = time.monotonic()
    tool.ok(*args)
    took = time.monotonic() - start
    return [took * (i + 0.5) / count for i in range(count)]


def kill_after(delay, tool, *args):
    """Starts a command and kills it; true if it had not ended by itself."""
    process = subprocess.Popen([PROGRAM, "--config", tool.config, *args],
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(delay)
    process.kill()
    return process.wait() == -signal.SIGKILL


def kill_at(call, n, tool, *args):
    """Runs a command that is killed as it enters a system call for the n-th time; true unless it
    ended by itself before that."""
    done = subprocess.run(
        ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"inject={call}:signal=KILL:when={n}",
         PROGRAM, "--config", tool.config, *args], capture_output=True, check=False)
    assert done.returncode in (0, -signal.SIGKILL), done
    return done.returncode != 0


def again(tool, *step):
    """After a kill. What was not finished is finished, and said to be."""
    done = tool.run("rekey", *step)
    assert done.returncode == 0, done
    assert done.stderr == "" or "was not finished" in done.stderr, done


def killed_anywhere(tool, saved, *args):
    """Runs a command again and again, killed at each of the calls that may change a file in turn;
    the folder is put back to what it was each time. Yields after each."""
    shutil.copytree(tool.folder, saved)
    for call in WRITING:
        n = 1
        while kill_at(call, n, tool, *args):
            yield call, n
            n += 1
            shutil.rmtree(tool.folder)
            shutil.copytree(saved, tool.folder)
        shutil.rmtree(tool.folder)
        shutil.copytree(saved, tool.folder)


@pytest.mark.parametrize("before, step", [
    ([], ["--prepare"]), (["--prepare"], []), ([], []), ([[]], ["--prune"])],
    ids=["prepare", "seal", "seal-unprepared", "prune"])
def test_rekey_that_is_killed_anywhere_leaves_every_account_open(tool, tmp_path, before, step):
    if before:
        tool.ok("rekey", *filter(None, before))
    n = 0
    for where in killed_anywhere(tool, tmp_path / "saved", "rekey", *step):
        n += 1
        assert tool.ok("store", "check").endswith("4 accounts in order, 0 damaged\n"), where
        again(tool, *step)
        assert tool.ok("store", "check").endswith("4 accounts in order, 0 damaged\n"), where
        assert where[1] != 1 or opens(tool, ("alice",))
    assert n > 10


def test_no_old_key_is_left_in_a_half_written_file(tool):
    tool.ok("rekey")
    kill_at("fsync", 1, tool, "rekey", "--prune")
    tool.ok("rekey", "--prune")
    assert set(os.listdir(tool.folder)) == {
        "mailauth.conf", "store.key", "accounts.mdb", "accounts.mdb-lock"}


def test_rekey_that_is_killed_any_time_leaves_every_account_open(crowded):
    tool, n, some = crowded
    tool.ok("rekey", "--prepare")
    killed, pace = 0, 1
    for delay in moments(tool, "rekey", count=24):
        if kill_after(delay * pace, tool, "rekey"):
            killed += 1
        else:
            pace *= 0.7  # the machine has less to do than when it was timed
        assert tool.ok("store", "check").endswith(f"{n} accounts in order, 0 damaged\n")
        for step in ["--prune"], ["--prepare"]:
            killed += kill_after(delay * pace / 4, tool, "rekey", *step)
            assert tool.ok("store", "check").endswith(f"{n} accounts in order, 0 damaged\n")
        if len(keys(tool)) > 12:
            tool.ok("rekey", "--prune")
    assert killed > 12, "it was not interrupted"
    again(tool)
    tool.ok("rekey", "--prune")
    assert len(keys(tool)) == 1 and opens(tool, some)


def test_logins_go_on_during_a_rekey(crowded):
    tool, _, some = crowded
    stop = threading.Event()
    refused, n = [], [0]

    def log_in():
        while not stop.is_set():
            for name in some:
                n[0] += 1
                done = tool.run("verify", "--stdin", name, stdin=f"secret of {name}\n".encode())
                if done.returncode != 0:
                    refused.append(done)
    thread = threading.Thread(target=log_in)
    thread.start()
    try:
        for _ in range(3):
            for step in ["--prepare"], [], ["--prune"]:
                tool.ok("rekey", *step)
    finally:
        stop.set()
        thread.join()
    assert refused == [] and n[0] > 5


def test_passwords_changed_during_a_rekey_stay_changed(crowded):
    tool, n, _ = crowded
    stop = threading.Event()
    last = [0]

    def change():
        while not stop.is_set():
            last[0] += 1
            tool.ok("passwd", "--stdin", "user7", stdin=f"password {last[0]}\n".encode())
    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(3):
            tool.ok("rekey")
            tool.ok("rekey", "--prune")
    finally:
        stop.set()
        thread.join()
    assert last[0] > 3 and tool.accepts("user7", f"password {last[0]}".encode())
    assert tool.ok("store", "check").endswith(f"{n} accounts in order, 0 damaged\n")


# ---- a server that keeps its keys --------------------------------------------------------------

def test_a_prepared_rekey_is_not_noticed_by_a_running_server(own_server):
    own_server.mailuser("rekey", "--prepare")
    own_server.reload()
    start = own_server.log_size()
    assert login(own_server, "alice", PASSWORD).accepted
    own_server.mailuser("rekey")
    assert login(own_server, "alice", PASSWORD).accepted
    own_server.mailuser("rekey", "--prune")
    assert login(own_server, "bob", password_of("bob")).accepted
    assert login(own_server, "alice", "wrong").code == 535
    assert smtpd_of(own_server, start), "one process served them all"


def test_without_preparation_a_running_server_says_later_not_wrong(own_server):
    assert login(own_server, "alice", PASSWORD).accepted
    own_server.mailuser("rekey")
    for password in PASSWORD, "wrong":
        assert login(own_server, "alice", password).code == 454
    own_server.reload()
    assert login(own_server, "alice", PASSWORD).accepted
    assert login(own_server, "alice", "wrong").code == 535
