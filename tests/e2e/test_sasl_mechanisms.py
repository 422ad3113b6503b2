# SPDX-License-Identifier: BSD-2-Clause
"""Our own mechanisms in libsasl2, against libsasl2's own client."""
import pytest

from conftest import PASSWORD
from mailserver import HOSTNAME
from saslproperties import OPTIONS, dialogue, log_lines, probe, verdicts

MECHS = "SCRAM-SHA-512 SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN".split()
SCRAM, MUTUAL = MECHS[:3], MECHS[:4]
ALL = " ".join(MECHS)
OURS = "/run/ours"  # a folder of plugins in which ours is alone
OK, CONTINUE, BADPROT, BADAUTH, UNAVAIL = 0, 1, -5, -13, -24
SUCCESS_DATA = 4
BINDING = ["tls-exporter", "0123456789abcdef0123456789abcdef"]
NOPLAINTEXT, NOACTIVE, NODICTIONARY, FORWARD, NOANONYMOUS, PASS, MUTUAL_AUTH = (
    1 << bit for bit in range(7))


@pytest.fixture(scope="module")
def ours(server):
    """The server, with accounts that can use every mechanism, and OURS."""
    server.shell(f"mkdir -p {OURS}; ln -sf /usr/lib/*/sasl2/libsasl_mailauth.so {OURS}/")
    for name in ("sid", "lock"):
        server.mailuser("add", "--mech", ALL, "-G", "smtp", "--stdin", name, stdin=PASSWORD + "\n")
    server.mailuser("passwd", "--lock", "lock")
    return server


def talk(server, logins, mechs=ALL, **args):
    """dialogue() with these mechanisms of ours and no others."""
    return dialogue(server, logins, {**OPTIONS, "mailauth_mechs": mechs}, plugins=OURS, **args)


def by(mech, user="sid", password=PASSWORD, **more):
    """A login."""
    return {"mechs": mech, "user": user, "password": password, **more}


def said(mech, *messages, **more):
    """A login that says these messages; None is no initial response."""
    return {"mech": mech, "messages": [text if text is None else text.encode().hex()
                                       for text in messages], **more}


@pytest.mark.parametrize("flags", [0, SUCCESS_DATA], ids=["", "success data"])
@pytest.mark.parametrize("mech", MECHS)
def test_the_right_password_and_nothing_else(ours, mech, flags):
    cases = [("sid", PASSWORD, "ok"), (f"sid@{HOSTNAME}", PASSWORD, "ok"),
             ("sid", "x", "wrong-proof"), ("nobody", PASSWORD, "unknown-user"),
             ("lock", PASSWORD, "locked"), ("sid", PASSWORD + "x", "wrong-proof"),
             ("..", PASSWORD, "bad-name"), ("gus-groupless", "x", None)]
    result = talk(ours, [by(mech, user, password) for user, password, _ in cases],
                  settings={"flags": flags})
    assert verdicts(result) == [OK, OK] + [BADAUTH] * 6
    assert [login["user"] for login in result["logins"]] == [f"sid@{HOSTNAME}"] * 2 + [None] * 6
    assert len({len(login["replies"]) for login in result["logins"][2:]}) == 1
    for (_user, _password, reason), lines in zip(cases, log_lines(result)):
        assert len(lines) == 1 and f" mech={mech} " in lines[0]
        assert reason is None or f" reason={reason} " in lines[0]
    last = result["logins"][0]["replies"][-1]
    assert (last is not None) == (mech in MUTUAL and flags == SUCCESS_DATA)
    assert result["opened_first"] and not result["opened_after"]


@pytest.mark.parametrize("mech", MECHS)
def test_initial_responses_may_be_missing(ours, mech):
    result = talk(ours, [by(mech, initial=False), by(mech, password="x", initial=False)])
    assert verdicts(result) == [OK, BADAUTH]


def test_an_empty_initial_response_is_none(ours):
    plain = f"\0sid\0{PASSWORD}"
    assert verdicts(talk(ours, [
        said("PLAIN", "", plain), said("PLAIN", None, plain), said("PLAIN", "", "", plain),
        said("PLAIN", None, "", "", plain), said("LOGIN", "", "sid", PASSWORD),
        said("LOGIN", "sid", PASSWORD), said("LOGIN", None, "", PASSWORD),
        said("SCRAM-SHA-1", "", "n,,n=sid,r=abc"), said("SCRAM-SHA-1", "", "", "n,,n=sid,r=abc"),
        said("CRAM-MD5", "", "x"), said("CRAM-MD5", "sid x"), said("DIGEST-MD5", "", "x")])) == [
            OK, OK, BADAUTH, BADAUTH, OK, OK, BADAUTH, CONTINUE, BADAUTH, BADPROT, BADPROT,
            BADAUTH]


def test_digest_md5_takes_a_client_back_that_was_there_before(ours):
    """libsasl2's client then begins with a response to the challenge of last time."""
    result = talk(ours, [by("DIGEST-MD5")] * 3 + [by("DIGEST-MD5", password="x")])
    assert verdicts(result) == [OK, OK, OK, BADAUTH]


@pytest.mark.parametrize("mech", MECHS)
def test_whatever_is_wrong_gets_the_same_answer(ours, mech):
    junk = ["x", "\0", "x" * 12288, "x" * 12289, "n,,n=sid,r=", "p=x,,n=sid,r=a", "\0\0\0\0", "=" * 99]
    logins = [said(mech, None, text, text) for text in junk]
    assert set(verdicts(talk(ours, logins))) == {BADAUTH}


@pytest.mark.parametrize("mech", MECHS)
def test_nobody_acts_for_another(ours, mech):
    if mech in ("CRAM-MD5", "LOGIN"):
        return  # they have no way to say so
    result = talk(ours, [by(mech, authzid="SID"), by(mech, authzid="alice")])
    assert verdicts(result) == [OK, BADAUTH]
    assert result["logins"][0]["user"] == f"sid@{HOSTNAME}"
    assert "reason=authzid" in log_lines(result)[1][0]


@pytest.mark.parametrize("canon", [None, "mailauth"])
@pytest.mark.parametrize("auxprop", ["mailauth", "sasldb", "nobody"])
def test_the_name_does_not_depend_on_other_plugins(ours, canon, auxprop):
    options = {"auxprop_plugin": auxprop, "mailauth_mechs": "LOGIN SCRAM-SHA-1"}
    if canon:
        options["canon_user_plugin"] = canon
    result = dialogue(ours, [by("LOGIN", "SID"), by("SCRAM-SHA-1", "Sid")], options, plugins=OURS,
                      host=HOSTNAME)
    assert [login["user"] for login in result["logins"]] == [f"sid@{HOSTNAME}"] * 2
    assert result["opened_first"]


def test_only_members_of_the_group(ours):
    for group, code in (("smtp", OK), ("imap", BADAUTH)):
        options = {**OPTIONS, "mailauth_mechs": ALL, "mailauth_group": group}
        result = dialogue(ours, [by(mech) for mech in MECHS], options, plugins=OURS)
        assert verdicts(result) == [code] * len(MECHS)


def test_a_store_that_is_away_is_temporary(ours):
    options = {**OPTIONS, "mailauth_mechs": ALL, "mailauth_config": "/etc/mailauth/nowhere.conf"}
    result = dialogue(ours, [by(mech) for mech in MECHS], options, plugins=OURS)
    assert verdicts(result) == [UNAVAIL] * len(MECHS)
    assert all(any("nowhere.conf" in line for line in login["logged"])
               for login in result["logins"])


def test_a_client_that_goes_away_is_logged_once_it_had_a_name(ours):
    result = talk(ours, [said("SCRAM-SHA-1", "n,,n=sid,r=abc"), said("CRAM-MD5", None),
                         said("LOGIN", "sid"), said("PLAIN", None)])
    assert verdicts(result) == [CONTINUE] * 4
    lines = [text for _level, text in result["log"] if "mailauth login:" in text]
    assert len(lines) == 1 and "reason=aborted" in lines[0] and "SCRAM-SHA-1" in lines[0]


# ---- what is offered -------------------------------------------------------------------------

@pytest.mark.parametrize("listed,offered", [
    ("", []), (ALL, MECHS), ("cram-md5", ["CRAM-MD5"]), (" LOGIN \t PLAIN LOGIN ", ["PLAIN", "LOGIN"]),
    ("SCRAM-SHA-1-PLUS", ["SCRAM-SHA-1"]), ("SCRAM-SHA-1-PLUS SCRAM-SHA-1", ["SCRAM-SHA-1"])])
def test_offers_what_is_listed(ours, listed, offered):
    before = ours.path("/var/log/syslog").read_text()
    result = dialogue(ours, [], {"mailauth_mechs": listed}, plugins=OURS)
    assert sorted(result["offered"]) == sorted(offered)
    assert bool(result["opened_first"]) == bool(offered)
    assert ours.path("/var/log/syslog").read_text() == before


def test_offers_nothing_unasked(ours):
    assert dialogue(ours, [], {}, plugins=OURS)["offered"] == []
    result = dialogue(ours, [], OPTIONS)
    assert len(result["offered"]) == len(set(result["offered"]))


@pytest.mark.parametrize("word", ["APOP", "CRAM-MD5-PLUS", "CRAM", "XCRAM-MD5", "NTLM,"])
def test_says_which_word_is_no_mechanism(ours, word):
    log = ours.path("/var/log/syslog")
    before = len(log.read_text())
    result = dialogue(ours, [by("CRAM-MD5")], {**OPTIONS, "mailauth_mechs": f"{word} CRAM-MD5"},
                      plugins=OURS)
    assert verdicts(result) == [OK] and result["offered"] == ["CRAM-MD5"]
    lines = [line for line in log.read_text()[before:].splitlines() if "mailauth_mechs" in line]
    assert len(lines) == 1 and f" {word};" in lines[0]


@pytest.mark.parametrize("settings,offered", [
    ({"security_flags": NOPLAINTEXT}, MECHS[:5]), ({"security_flags": NOACTIVE}, SCRAM),
    ({"security_flags": MUTUAL_AUTH}, MUTUAL), ({"security_flags": NOANONYMOUS}, MECHS),
    ({"security_flags": NODICTIONARY}, []), ({"security_flags": FORWARD}, []),
    ({"security_flags": PASS}, ["PLAIN", "LOGIN"]), ({"min_ssf": 1}, []),
    ({"min_ssf": 1, "tls": 256}, MECHS), ({"security_flags": NOPLAINTEXT, "tls": 256}, MECHS),
    ({"min_ssf": 257, "tls": 256}, [])])
def test_claims_no_more_than_a_mechanism_has(ours, settings, offered):
    result = talk(ours, [by(mech) for mech in MECHS], settings=settings)
    assert sorted(result["offered"]) == sorted(offered)
    assert [code == OK for code in verdicts(result)] == [mech in offered for mech in MECHS]


def test_offers_plus_where_the_server_has_a_binding(ours):
    result = talk(ours, [], settings={"binding": BINDING})
    assert set(result["offered"]) == {*MECHS, *(f"{mech}-PLUS" for mech in SCRAM)}
    result = talk(ours, [], settings={"binding": BINDING, "critical": True})
    assert not {*SCRAM, f"{SCRAM[0]}-PLUS"} <= set(result["offered"])


# ---- channel binding -------------------------------------------------------------------------

@pytest.mark.parametrize("mech", SCRAM)
def test_channel_binding(ours, mech):
    plus, other = f"{mech}-PLUS", BINDING[1][::-1]
    logins = [by(plus, binding=BINDING), by(mech), by(plus, binding=BINDING, password="x"),
              by(plus, binding=[BINDING[0], other]), by(plus, binding=["tls-unique", BINDING[1]]),
              said(mech, "y,,n=sid,r=abc")]  # the last was told that there is no -PLUS
    result = talk(ours, logins, settings={"binding": BINDING})
    assert verdicts(result) == [OK, OK] + [BADAUTH] * 4
    for lines, name in zip(log_lines(result), [plus, mech, plus, plus, plus, mech]):
        assert len(lines) == 1 and f" mech={name} " in lines[0]


@pytest.mark.parametrize("mech", SCRAM)
def test_without_a_binding_there_is_no_plus(ours, mech):
    result = talk(ours, [by(mech, binding=BINDING), by(f"{mech}-PLUS", binding=BINDING), by(mech),
                         said(mech, "y,,n=sid,r=abc")])
    assert verdicts(result) == [OK, BADAUTH, OK, CONTINUE]


@pytest.mark.parametrize("mech", MECHS)
def test_a_server_that_insists_on_a_binding(ours, mech):
    settings = {"binding": BINDING, "critical": True}
    logins = [by(mech)] + ([by(f"{mech}-PLUS", binding=BINDING)] if mech in SCRAM else [])
    result = talk(ours, logins, settings=settings)
    assert verdicts(result) == [BADAUTH, OK][:len(logins)]
    assert "reason=no-binding" in log_lines(result)[0][0]


# ---- what is left behind ---------------------------------------------------------------------

def test_leaves_nothing_behind_when_libsasl2_ends(ours):
    logins = [by("CRAM-MD5", expected=OK), by("PLAIN", expected=OK),
              by("LOGIN", password="x", expected=BADAUTH),
              said("SCRAM-SHA-1", "n,,n=sid,r=abc", expected=CONTINUE)]
    options = {**OPTIONS, "mailauth_mechs": ALL, "canon_user_plugin": "mailauth"}
    counts = probe(ours, "cycle_mechanisms", options, plugins=OURS, times=60, logins=logins)
    fds, maps, allocated = zip(*counts[10:])
    assert fds[-1] == fds[0] and maps[-1] <= maps[0] + 2
    # Python keeps something now and then; a leak would show each time.
    assert min(after - before for before, after in zip(allocated, allocated[1:])) <= 0
