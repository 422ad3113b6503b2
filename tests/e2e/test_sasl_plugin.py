# SPDX-License-Identifier: BSD-2-Clause
"""The plugin in a server of our own: what it hands out, opens, and leaves behind."""
import hashlib

import pytest

import cram
from conftest import PASSWORD, password_of
from postfix import HOSTNAME
from saslproperties import OPTIONS, lookup, probe

PLAIN, CRAM, CLEAR = "*cmusaslsecretPLAIN", "*cmusaslsecretCRAM-MD5", "*userPassword"
OK, BADAUTH, UNAVAIL, CONSTRAINT = 0, -13, -24, -30
UNNAMED = {"pwcheck_method": "auxprop"}  # every plugin is loaded, nobody names ours
DECOYS = ["nobody", "nobody2", "lou-locked", "eve-expired", "alice@elsewhere.test", "x" * 300]


def test_hands_out_the_verifiers_and_no_password(server):
    props = lookup(server, ["alice"], [CLEAR, PLAIN, CRAM])["alice"]
    assert props[CLEAR] is None
    assert props[CRAM] == cram.verifier(PASSWORD)
    salt, nul, digest = props[PLAIN][:16], props[PLAIN][16:17], props[PLAIN][17:]
    assert nul == b"\0" and digest == hashlib.md5(salt + b"sasldb" + PASSWORD.encode()).digest()


def test_keeps_a_recoverable_password_to_itself_where_a_verifier_will_do(server):
    server.mailuser("add", "--recoverable", "--stdin", "rita", stdin=PASSWORD + "\n")
    props = lookup(server, ["rita"], [CLEAR, PLAIN, CRAM])["rita"]
    assert props[CLEAR] is None and props[CRAM] == cram.verifier(PASSWORD)


def test_serves_no_property_of_the_authorization_identity(server):
    props = lookup(server, ["alice"], ["userPassword", "cmusaslsecretPLAIN", "uidNumber"])["alice"]
    assert all(props[name] is None for name in ("userPassword", "cmusaslsecretPLAIN", "uidNumber"))


def test_does_not_know_other_properties(server):
    assert lookup(server, ["alice"], ["*authPassword", "*x"])["alice"]["*x"] is None


def test_gives_decoys_that_look_real_and_do_not_change(server):
    first = lookup(server, DECOYS, [CLEAR, PLAIN, CRAM])
    assert lookup(server, DECOYS, [CLEAR, PLAIN, CRAM]) == first
    for name in (PLAIN, CRAM):
        values = [first[user][name] for user in DECOYS]
        assert len(set(values)) == len(DECOYS)
        assert {len(value) for value in values} == {33 if name == PLAIN else 32}
    for user in DECOYS:
        assert first[user][PLAIN][16:17] == b"\0" and first[user][CLEAR] is None
    assert first["lou-locked"][CRAM] != cram.verifier(PASSWORD)


@pytest.mark.parametrize("call", ["checkpass", "plain"])
def test_checks_passwords_on_one_connection_and_says_why_not(server, call):
    result = probe(server, "check", call=call, logins=[
        ["alice", "x"], ["nobody", PASSWORD], ["lou-locked", PASSWORD], ["bob", PASSWORD],
        ["alice", password_of("bob")], [f"BOB@{HOSTNAME}", password_of("bob")]])
    assert result["codes"] == [BADAUTH] * 5 + [OK]
    denied = [text for _level, text in result["log"] if "result=denied" in text]
    assert len(denied) == 2, denied  # once per login


def test_opens_nothing_before_it_is_named_or_asked(server):
    assert probe(server, "lookup", UNNAMED, users=[], names=[])["opened"] == []
    result = probe(server, "lookup", UNNAMED, users=["alice"], names=[PLAIN])
    assert result["opened_first"] == [] and result["opened"] and result["opened_after"] == []


@pytest.mark.parametrize("listed", ["mailauth", " MailAuth\t", "sasldb mailauth",
                                    "mailauth sasldb"])
def test_opens_at_once_where_it_is_named(server, listed):
    result = probe(server, "lookup", {**OPTIONS, "auxprop_plugin": listed}, users=[], names=[])
    assert any("accounts.mdb" in name for name in result["opened_first"])
    assert result["opened_after"] == []


@pytest.mark.parametrize("listed", ["", "sasldb", "mailauth2", "xmailauth", "mail auth"])
def test_opens_nothing_where_others_are_named(server, listed):
    result = probe(server, "lookup", {**OPTIONS, "auxprop_plugin": listed}, users=[], names=[])
    assert result["opened_first"] == []


@pytest.mark.parametrize("options,times,change,every", [
    (OPTIONS, 100, True, 1), (OPTIONS, 100, False, 0), (UNNAMED, 100, False, 1),
    (UNNAMED, 1100, False, 50)])  # a process has 1024 pthread keys
def test_leaves_nothing_behind_when_libsasl2_ends(server, options, times, change, every):
    server.mailuser("add", "--stdin", "cy", stdin=PASSWORD + "\n", check=False)
    account = ["cy", PASSWORD]
    counts = probe(server, "cycle", options, times=times, change=change and account, every=every,
                   login=account)
    assert len(counts) == times and not any(loaded for _fds, _maps, loaded in counts)
    fds, maps = [row[0] for row in counts], [row[1] for row in counts]
    assert fds[-1] == fds[5] and maps[-1] <= maps[5] + 2


@pytest.mark.parametrize("options", [OPTIONS, UNNAMED], ids=["named", "unnamed"])
def test_serves_threads(server, options):
    result = probe(server, "threads", options, threads=8, times=50, login=["alice", PASSWORD])
    assert result["codes"] == [OK] * 400 and result["opened_after"] == []


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("options", [OPTIONS, UNNAMED], ids=["named", "unnamed"])
def test_serves_parent_and_child_after_a_fork(server, options, before):
    codes = probe(server, "fork", options, before=before, login=["alice", PASSWORD])
    assert codes == [OK] * (3 if before else 2)


def test_options_name_configuration_and_group(server):
    other = {**OPTIONS, "mailauth_config": "/etc/mailauth/nowhere.conf"}
    result = probe(server, "check", other, call="checkpass", logins=[["alice", PASSWORD]] * 2)
    assert result["codes"] == [UNAVAIL, UNAVAIL]
    assert sum("/etc/mailauth/nowhere.conf" in text for _level, text in result["log"]) == 2
    for group, code in (("imap", OK), ("nobody", BADAUTH)):
        options = {**OPTIONS, "mailauth_group": group}
        result = probe(server, "check", options, call="checkpass", logins=[["alice", PASSWORD]])
        assert result["codes"] == [code]


def test_a_name_without_realm_is_one_of_the_realm_or_else_of_the_host(server):
    server.mailuser("add", "--stdin", "alice@second.test", stdin="Second 0ne\n")
    logins = [["alice", PASSWORD], ["alice", "Second 0ne"]]
    assert probe(server, "check", call="checkpass", logins=logins)["codes"] == [OK, BADAUTH]
    for place in ({"realm": "second.test"}, {"host": "second.test"}):
        result = probe(server, "check", call="checkpass", logins=logins, **place)
        assert result["codes"] == [BADAUTH, OK]


STORES = {  # what: (properties asked for, of these set or (None) deleted, answer, login after it)
    "nothing": ([], {}, OK, OK),
    "asked for, not set": (["userPassword", "cmusaslsecretPLAIN"], {}, OK, OK),
    "mechanism's secret deleted": (
        ["userPassword", "cmusaslsecretPLAIN"], {"cmusaslsecretPLAIN": None}, OK, OK),
    "mechanism's secret set": (
        ["cmusaslsecretCRAM-MD5"], {"cmusaslsecretCRAM-MD5": "x"}, CONSTRAINT, OK),
    "property of ours with *": (["*userPassword"], {"*userPassword": None}, OK, OK),
    "same password again": (["userPassword"], {"userPassword": PASSWORD}, OK, OK),
    "other password": (["userPassword"], {"userPassword": "Other 0ne"}, OK, BADAUTH),
    "password deleted": (["userPassword"], {"userPassword": None}, OK, BADAUTH),
}


@pytest.mark.parametrize("case", STORES)
def test_stores_the_password_and_deletes_nothing_unasked(server, case):
    names, values, answer, login = STORES[case]
    server.mailuser("add", "--stdin", "stan", stdin=PASSWORD + "\n", check=False)
    server.mailuser("passwd", "--stdin", "stan", stdin=PASSWORD + "\n")
    result = probe(server, "store", user="stan", names=names, values=values, password=PASSWORD)
    assert result == [answer, login]
