#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""report.py FIGURES [--build FOLDER] [--json FILE] [--plot FILE]: the figures as a table

FIGURES has a JSON object a line, as the benchmarks print them, or is a file made with --json. The
last column is ours/peer: of times, bytes and the like less than 1 is better than the peer; of
rates (a unit that ends in /s) more than 1 is.
"""
import argparse
import json
import os
import platform
import re
import subprocess
import sys

import plot

TITLES = {
    "capi": "C API (peer: the bare work; times are the server's alone, per login)",
    "sasl": "Through libsasl2",
    "pam": "PLAIN through PAM and saslauthd",
    "bulk": "Bulk commands of mailuser",
    "memory": "Memory and start",
}
PACKAGES = ["libssl3", "liblmdb0", "libsasl2-2", "libpam0g", "libsqlite3-0", "libdb5.3", "libc6"]
FIELDS = ["group", "case", "accounts", "what", "unit", "ours"]


def output_of(*command):
    """What a command prints, or nothing."""
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def describe_machine(build):
    """Where and with what the figures were made."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = re.search(r"^model name\s*:\s*(.*)$", file.read(), re.M)
    with open("/proc/meminfo", encoding="utf-8") as file:
        memory = re.search(r"^MemTotal:\s*(\d+)", file.read(), re.M)
    machine = {
        "cpu": cpu.group(1) if cpu else platform.machine(),
        "cores": os.cpu_count(),
        "memory_gb": round(int(memory.group(1)) / 1e6) if memory else None,
        "kernel": platform.release(),
        "versions": dict(line.split(" ", 1) for line in output_of(
            "dpkg-query", "-W", "-f=${Package} ${Version}\n", *PACKAGES).splitlines()),
        "compiler": output_of("cc", "--version").partition("\n")[0],
    }
    if build:
        options = json.loads(output_of("meson", "introspect", "--buildoptions", build) or "[]")
        machine["build"] = {o["name"]: o["value"] for o in options
                            if o["name"] in ("buildtype", "optimization", "b_lto")}
    return machine


def read_figures(path):
    """The figures, and the machine if the file knows it."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    if text.lstrip().startswith('{\n'):
        report = json.loads(text)
        return report["figures"], report["machine"]
    figures = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            figure = json.loads(line)
            missing = [field for field in FIELDS if field not in figure]
        except ValueError:
            sys.exit(f"{path}:{number}: not a figure: {line[:100]}")
        if missing:
            sys.exit(f"{path}:{number}: no {', '.join(missing)}: {line[:100]}")
        figures.append(figure)
    return figures, None


def show_count(n):
    """10000000 as 10M."""
    for size, letter in ((10 ** 6, "M"), (10 ** 3, "k")):
        if n and n % size == 0:
            return f"{n // size}{letter}"
    return str(n or "")


def show_number(value):
    """Three digits that count, four of large numbers."""
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def show_more(figure):
    """The keys that only some figures have."""
    names = {"per_s": "logins/s", "per_s_2_threads": "/s on 2 cores", "p99": "p99",
             "allocations": "allocations", "system_calls": "system calls"}
    return ", ".join(f"{names.get(key, key)} {show_number(value)}"
                     for key, value in figure.items()
                     if key not in FIELDS + ["peer", "peer_name", "ratio"]
                     and isinstance(value, (int, float)))


def print_table(rows):
    """Columns as wide as they have to be: text to the left, numbers to the right."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [cell.ljust(width) if i < 2 or i == 3 or i == 6 else cell.rjust(width)
                 for i, (cell, width) in enumerate(zip(row, widths))]
        print("  ".join(cells + [row[-1]]).rstrip())


def print_group(figures):
    """One kind of benchmark."""
    rows = [("case", "what", "accounts", "unit", "ours", "peer", "", "ours/peer", "")]
    for figure in figures:
        peer = figure.get("peer")
        # The median of the rounds' ratios is better than the ratio of the medians.
        ratio = figure.get("ratio", figure["ours"] / peer) if peer else None
        shown = "" if ratio is None else f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.1g}"
        rows.append((figure["case"], figure["what"], show_count(figure["accounts"]),
                     figure["unit"], show_number(figure["ours"]), show_number(peer),
                     figure.get("peer_name", ""), shown, show_more(figure)))
    print_table(rows)


def print_growth(figures):
    """How much longer a login takes with the most accounts than with the fewest."""
    rows = [("case", "what", "from", "", "us", "us", "", "times", "")]
    times = {}
    for figure in figures:
        if figure["unit"] == "us" and figure["what"] in ("login", "verify"):
            times.setdefault((figure["case"], figure["what"]), {})[figure["accounts"]] = figure
    for (case, what), by_size in times.items():
        few, many = min(by_size), max(by_size)
        if few != many:
            a, b = by_size[few]["ours"], by_size[many]["ours"]
            rows.append((case, what, show_count(few), f"to {show_count(many)}", show_number(a),
                         show_number(b), "", f"{b / a:.2f}", ""))
    if len(rows) > 1:
        print("\nGrowth with the number of accounts")
        print_table(rows)


def print_machine(machine):
    """In a few lines."""
    print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB,"
          f" Linux {machine['kernel']}")
    print(", ".join(f"{name} {version}" for name, version in machine["versions"].items()))
    if "build" in machine:
        print(f"{machine['compiler']}, buildtype {machine['build'].get('buildtype')},"
              f" -O{machine['build'].get('optimization')}")


def main():
    """Reads, prints, writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("figures")
    parser.add_argument("--build")
    parser.add_argument("--json")
    parser.add_argument("--plot")
    arguments = parser.parse_args()
    figures, machine = read_figures(arguments.figures)
    machine = machine or describe_machine(arguments.build)
    print_machine(machine)
    for group in dict.fromkeys(figure["group"] for figure in figures):
        own = [figure for figure in figures if figure["group"] == group]
        print(f"\n{TITLES.get(group, group)}")
        print_group(own)
        if group == "capi":
            print_growth(own)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine, "figures": figures}, file, indent=1)
            file.write("\n")
    if arguments.plot:
        with open(arguments.plot, "w", encoding="utf-8") as file:
            file.write(plot.draw(figures, machine))


if __name__ == "__main__":
    main()
