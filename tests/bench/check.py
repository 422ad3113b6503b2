#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""check.py JSON SVG: is the report whole, and do the counts hold? Prints TAP

No time is looked at: those are the machine's. Allocations and system calls are not.
"""
import json
import sys
import xml.etree.ElementTree as et

MECHS = ["PLAIN", "LOGIN", "CRAM-MD5", "DIGEST-MD5"]
SCRAM = ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"]
SIZES = 2  # of the store, for the C API
# Of a whole dialogue: the session, its reply, which may grow once; a random challenge.
ALLOCATIONS_MAX, SYSTEM_CALLS_MAX = 3, 1

# Group, the beginning of a case, the peer, how many figures there have to be.
WANTED = (
    [("capi", mech, "bare", SIZES) for mech in MECHS + ["APOP"] + SCRAM]
    + [("capi", "store", None, 2 * SIZES)]
    + [("sasl", mech, peer, 1) for mech in MECHS + SCRAM[:2]
       for peer in ("sasldb", "sql-sqlite", "ceiling")]
    + [("pam", "PLAIN, libpam", "pam_unix", 1), ("pam", "PLAIN", "saslauthd", 1)]
    + [("bulk", case, None, 1) for case in ("import shadow", "import json", "export json",
                                            "newusers", "passwd")]
    + [("memory", case, None, 1) for case in ("an account", "a random login")]
)


def is_wanted(figure, group, case, peer):
    """Case and peer by their beginnings."""
    return (figure["group"] == group and figure["case"].startswith(case)
            and (peer is None or figure.get("peer_name", "").startswith(peer)))


def checks(figures, plot):
    """(what is checked, why it failed or nothing)"""
    for group, case, peer, least in WANTED:
        found = [f for f in figures if is_wanted(f, group, case, peer)]
        positive = all(f["ours"] > 0 and f.get("peer", 1) > 0 for f in found)
        yield (f"{group}: {case}{' against ' + peer if peer else ''}",
               "" if len(found) >= least and positive
               else f"{len(found)} figures, want {least}, all above 0")
    for figure in figures:
        if figure["group"] != "capi" or figure["what"] not in ("login", "verify"):
            continue
        a, s = figure["allocations"], figure["system_calls"]
        most = (0, 0) if figure["what"] == "verify" else (ALLOCATIONS_MAX, SYSTEM_CALLS_MAX)
        yield (f"{figure['case']} {figure['what']}, {figure['accounts']} accounts: at most"
               f" {most[0]} allocations and {most[1]} system calls",
               "" if a <= most[0] and s <= most[1] else f"{a} allocations, {s} system calls")
    verified = {f["case"] for f in figures if f["group"] == "capi" and f["what"] == "verify"}
    yield "PLAIN, CRAM-MD5 and APOP are verified in one call", \
        "" if verified == {"PLAIN", "CRAM-MD5", "APOP"} else str(sorted(verified))
    try:
        lines = et.parse(plot).iter("{http://www.w3.org/2000/svg}polyline")
        n_lines = sum(1 for _ in lines)
        yield "the plot has a line for each mechanism", "" if n_lines >= 8 else f"{n_lines} lines"
    except (OSError, et.ParseError) as error:
        yield "the plot is SVG", str(error)


def main():
    """One line of TAP for each."""
    with open(sys.argv[1], encoding="utf-8") as file:
        figures = json.load(file)["figures"]
    results = list(checks(figures, sys.argv[2]))
    print(f"1..{len(results)}")
    for number, (name, why) in enumerate(results, 1):
        print(f"{'not ok' if why else 'ok'} {number} - {name}{': ' + why if why else ''}")
    sys.exit(any(why for _, why in results))


if __name__ == "__main__":
    main()
