# SPDX-License-Identifier: BSD-2-Clause
"""The soak of tests/soak in short, or for its hour: a Postfix under a steady load, whose accounts
change meanwhile, lets in whom it should and does not grow."""
import json
import os
import subprocess
import sys

from sandbox import REPO, build_dir

FULL = bool(os.environ.get("MAILAUTH_FULL"))


def test_postfix_stays_flat_and_right(tmp_path):
    # A short run has not come to rest, and shares the machine with other tests.
    options = ["--minutes", "60"] if FULL else ["--minutes", "0.6", "--rate", "0.5", "--loose", "8"]
    done = subprocess.run([sys.executable, REPO / "tests/soak/run", build_dir(), *options,
                           "--json", tmp_path / "soak.json"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    figures = json.loads((tmp_path / "soak.json").read_text())
    counts, changes = figures["counts"], figures["changes"]
    assert figures["good"] and figures["faults"] == [] and figures["log"] == []
    assert counts["right"] and counts["wrong"] and counts["accepted"] and counts["refused"]
    assert counts["mails"] and changes["passwd"] and changes["del"] and changes["rekey"] == 2
