# SPDX-License-Identifier: BSD-2-Clause
"""The plugin in a server of our own: what it hands out, opens, and leaves behind."""
import base64
import hashlib
import hmac

import pytest

import cram
from conftest import PASSWORD, password_of
from mailserver import HOSTNAME
from saslproperties import (OPTIONS, dialogue, log_lines, lookup, lookup_all, probe, verdicts)

PLAIN, CRAM, CLEAR = "*cmusaslsecretPLAIN", "*cmusaslsecretCRAM-MD5", "*userPassword"
DIGEST, SCRAM = "*cmusaslsecretDIGEST-MD5", "*authPassword"
HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}
CANON = {"pwcheck_method": "auxprop", "auxprop_plugin": "mailauth", "canon_user_plugin": "mailauth"}
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
    names = ["*cmusaslsecretAPOP", "*x", "*mailauthNameForm"]
    props = lookup(server, ["alice"], names)["alice"]
    assert all(props[name] is None for name in names)


def ha1(user, realm=HOSTNAME, password=PASSWORD):
    """RFC 2831 section 2.1.2.1: the hash that a client makes of what its user typed."""
    return hashlib.md5(f"{user}:{realm}:{password}".encode()).digest()


def scram_values(values):
    """{mechanism: (iterations, salt, stored key, server key)} of *authPassword."""
    result = {}
    for value in values:
        mech, salted, keys = value.decode().split("$")
        iterations, salt = salted.split(":")
        result[mech] = (int(iterations), *map(base64.b64decode, [salt, *keys.split(":")]))
    return result


def is_of(mech, value, password):
    """Is a SCRAM verifier that password's? RFC 5802 section 3."""
    iterations, salt, stored, server_key = value
    name = HASHES[mech]
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    client = hmac.digest(salted, b"Client Key", name)
    return (hashlib.new(name, client).digest(), hmac.digest(salted, b"Server Key", name)) == (
        stored, server_key)


def test_hands_out_a_verifier_for_each_hash_of_scram(server):
    server.mailuser("add", "--mech", "SCRAM-SHA-1 SCRAM-SHA-256 SCRAM-SHA-512", "--stdin", "scott",
                    stdin=PASSWORD + "\n", check=False)
    found = lookup_all(server, ["alice", "scott", "nobody"], [CLEAR, SCRAM])
    for user, right in (("alice", {"SCRAM-SHA-1", "SCRAM-SHA-256"}), ("scott", set(HASHES)),
                        ("nobody", set())):
        values = scram_values(found[user][SCRAM])
        assert set(values) == set(HASHES) and found[user][CLEAR] == []
        assert {mech for mech in HASHES if is_of(mech, values[mech], PASSWORD)} == right


def test_the_verifier_of_digest_md5_fits_the_name_as_it_was_typed(server):
    full = f"alice@{HOSTNAME}"
    for options, form in ((OPTIONS, "alice"), (CANON, full)):
        found = lookup(server, ["alice", full], [CLEAR, DIGEST], options)
        assert found["alice"][DIGEST] == ha1("alice")
        assert found[full][DIGEST] == ha1(form)
        assert found["alice"][CLEAR] is None


def test_the_realm_of_digest_md5_is_the_one_that_is_offered(server):
    server.mailuser("add", "--stdin", "dee@second.test", stdin=PASSWORD + "\n", check=False)
    for place in ({"realm": "second.test"}, {"realm": "", "host": "second.test"}):
        result = probe(server, "lookup", CANON, users=["dee", "dee@second.test"], names=[DIGEST],
                       **place)
        for user in ("dee", "dee@second.test"):
            assert result[user][1][DIGEST] == [ha1(user, "second.test").hex()]


@pytest.mark.parametrize("mech,prop,size", [
    ("CRAM-MD5", CRAM, 32), ("DIGEST-MD5", DIGEST, 16), ("SCRAM-SHA-256", SCRAM, None)])
def test_the_password_is_the_last_resort(server, mech, prop, size):
    """Of one who keeps it, and has no other verifier that would do."""
    user = f"last-{mech.lower()}"
    server.mailuser("add", "--recoverable", "--mech", mech, "--stdin", user,
                    stdin=PASSWORD + "\n", check=False)
    found = lookup_all(server, [user], [CLEAR, prop])[user]
    assert found[CLEAR] == [] and len(found[prop]) == (1 if size else 3)
    assert size is None or len(found[prop][0]) == size
    other = CRAM if prop != CRAM else DIGEST
    found = lookup_all(server, [user], [CLEAR, other])[user]
    assert found[CLEAR] == [PASSWORD.encode()] and found[other] == []


def test_gives_decoys_that_look_real_and_do_not_change(server):
    names, sizes = [CLEAR, PLAIN, CRAM, DIGEST, SCRAM], {PLAIN: 33, CRAM: 32, DIGEST: 16}
    first = lookup_all(server, DECOYS, names)
    assert lookup_all(server, DECOYS, names) == first
    salts = set()
    for user in DECOYS:
        assert first[user][CLEAR] == [] and first[user][PLAIN][0][16:17] == b"\0"
        for name, size in sizes.items():
            assert [len(value) for value in first[user][name]] == [size]
        values = scram_values(first[user][SCRAM])
        assert set(values) == set(HASHES)
        assert not any(is_of(mech, value, PASSWORD) for mech, value in values.items())
        salts |= {salt for _iterations, salt, *_keys in values.values()}
    assert len(salts) == len(DECOYS) * len(HASHES)  # what a client sees differs
    assert first["lou-locked"][CRAM][0] != cram.verifier(PASSWORD)
    assert first["lou-locked"][DIGEST][0] != ha1("lou-locked")


def test_locking_an_account_changes_nothing_that_a_client_sees_of_it(server):
    server.mailuser("add", "--stdin", "lana", stdin=PASSWORD + "\n", check=False)
    salts = []
    for option in ("--unlock", "--lock", "--unlock"):
        server.mailuser("passwd", option, "lana")
        values = scram_values(lookup_all(server, ["lana"], [SCRAM])["lana"][SCRAM])
        salts.append([values[mech][:2] for mech in sorted(values)])
        assert is_of("SCRAM-SHA-1", values["SCRAM-SHA-1"], PASSWORD) == (option == "--unlock")
    assert salts[0] == salts[1] == salts[2]


STOCK = ["CRAM-MD5", "DIGEST-MD5", "SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN", "LOGIN"]


@pytest.mark.parametrize("mech", STOCK)
def test_serves_the_mechanisms_of_libsasl2(server, mech):
    full = f"alice@{HOSTNAME}"
    names = [("alice", PASSWORD, OK), (full, PASSWORD, OK), ("alice", "x", BADAUTH),
             ("nobody", PASSWORD, BADAUTH), ("lou-locked", PASSWORD, BADAUTH),
             (f"nobody@{HOSTNAME}", PASSWORD, BADAUTH)]
    logins = [{"mechs": mech, "user": user, "password": password} for user, password, _ in names]
    result = dialogue(server, logins, CANON)
    assert verdicts(result) == [code for *_, code in names]
    assert {login["user"] for login in result["logins"]} == {f"alice@{HOSTNAME}", None}
    replies = [len(login["replies"]) for login in result["logins"][2:]]
    assert len(set(replies)) == 1  # all of them fail at the same place
    assert all(len(lines) <= 1 for lines in log_lines(result))


@pytest.mark.parametrize("typed,seen", [
    ("alice", "alice"), ("ALICE", "alice"), ("Alice@MAIL.Example.test", "alice"),
    (" alice ", "alice"), (f"alice@{HOSTNAME}", "alice")])
def test_canon_user_answers_with_the_stored_name(server, typed, seen):
    logins = [{"mechs": mech, "user": typed, "password": PASSWORD} for mech in ("PLAIN", "CRAM-MD5")]
    result = dialogue(server, logins, CANON)
    assert [login["user"] for login in result["logins"]] == [f"{seen}@{HOSTNAME}"] * 2


@pytest.mark.parametrize("mech", STOCK)
@pytest.mark.parametrize("typed", [
    "al/ice", "..", "-alice", "al ice", "x" * 65, "x" * 900, "a@b@c", "@", "alice@", "\u00fc:x"])
def test_canon_user_lets_what_is_no_name_fail_like_a_wrong_password(server, mech, typed):
    logins = [{"mechs": mech, "user": user, "password": "x"} for user in ("alice", typed)]
    wrong, junk = dialogue(server, logins, CANON)["logins"]
    assert wrong["code"] == junk["code"] == BADAUTH
    assert len(wrong["replies"]) == len(junk["replies"])
    assert ["bad-name" in line for line in junk["logged"] if "mailauth" in line] == [True]


def test_canon_user_takes_an_authorization_identity_and_other_flags_along(server):
    same = {"mechs": "PLAIN", "user": "alice", "password": PASSWORD, "authzid": "ALICE"}
    other = {**same, "authzid": "bob"}
    digest = {**same, "mechs": "DIGEST-MD5", "authzid": f"Alice@{HOSTNAME}"}
    result = dialogue(server, [same, other, digest], CANON)
    assert result["logins"][0]["user"] == result["logins"][2]["user"] == f"alice@{HOSTNAME}"
    assert result["logins"][1]["user"] is None


@pytest.mark.parametrize("first,then", [("alice", f"alice@{HOSTNAME}"),
                                        (f"alice@{HOSTNAME}", "alice")])
def test_a_second_attempt_on_a_connection_has_its_own_form(server, first, then):
    def login(user, password, mech="DIGEST-MD5"):
        return {"mechs": mech, "user": user, "password": password}
    logins = [login(first, "x"), login(then, "x"), login(first, "x", "SCRAM-SHA-1"),
              login(then, PASSWORD)]
    result = dialogue(server, logins, CANON, one_connection=True)
    assert verdicts(result) == [BADAUTH] * 3 + [OK]


def test_a_store_that_is_away_is_temporary_for_every_mechanism(server):
    options = {**CANON, "mailauth_config": "/etc/mailauth/nowhere.conf"}
    logins = [{"mechs": mech, "user": "alice", "password": PASSWORD} for mech in STOCK]
    assert verdicts(dialogue(server, logins, options)) == [UNAVAIL] * len(STOCK)


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
