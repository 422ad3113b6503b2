# SPDX-License-Identifier: BSD-2-Clause
"""What the soak measures of a server while it runs, and whether it grows.

Memory is taken from /proc/PID/smaps_rollup: Rss and Pss hold pages of the store's file as well, as
many as the process happened to read; Anonymous is what it has allocated, where a leak would show.
"""
import json
import os
import pathlib

FIELDS = {"Rss": "rss", "Pss": "pss", "Anonymous": "anonymous"}
PROGRAMS = ("smtpd", "master")


def processes(init_pid):
    """The processes of interest in a sandbox: {host's number: program}."""
    space = os.readlink(f"/proc/{init_pid}/ns/pid")
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            if os.readlink(f"/proc/{entry.name}/ns/pid") == space:
                program = pathlib.Path(f"/proc/{entry.name}/comm").read_text().strip()
                if program in PROGRAMS:
                    found[int(entry.name)] = program
        except OSError:  # it has ended
            pass
    return found


def memory(pid):
    """KiB by kind."""
    lines = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    pairs = (line.split(":") for line in lines[1:])
    return {FIELDS[key]: int(value.split()[0]) for key, value in pairs if key in FIELDS}


def take(server):
    """One sample: of each process, and of the store."""
    sample = {"processes": {}}
    for pid, program in processes(server.init_pid).items():
        try:
            fds = len(os.listdir(f"/proc/{pid}/fd"))
            sample["processes"][pid] = {"program": program, **memory(pid), "descriptors": fds}
        except OSError:  # it has ended
            pass
    stat = json.loads(server.mailuser("store", "stat", "--json").stdout)
    fields = ("accounts", "bytes_used", "bytes_file", "readers")
    sample["store"] = {field: stat[field] for field in fields}
    # An smtpd that looks something up has a slot, and keeps it.
    smtpd = sum(seen["program"] == "smtpd" for seen in sample["processes"].values())
    sample["store"]["spare_readers"] = stat["readers"] - smtpd
    return sample


def growth(times, values):
    """How much the least-squares line through these points rises from the first to the last."""
    n = len(times)
    mean_t, mean_v = sum(times) / n, sum(values) / n
    spread = sum((t - mean_t) ** 2 for t in times)
    if spread == 0:
        return 0.0
    slope = sum((t - mean_t) * (v - mean_v) for t, v in zip(times, values)) / spread
    return slope * (times[-1] - times[0])


def process_growth(samples, program, field):
    """The growths of those processes that are in all the samples; at least one has to be."""
    pids = set.intersection(*({pid for pid, seen in sample["processes"].items()
                               if seen["program"] == program} for sample in samples))
    times = [sample["time"] for sample in samples]
    if not pids:
        raise AssertionError(f"no {program} lived through the last three quarters of the soak")
    return [growth(times, [sample["processes"][pid][field] for sample in samples])
            for pid in pids]


def store_growth(samples, field):
    """The growth of something about the store."""
    return growth([sample["time"] for sample in samples],
                  [sample["store"][field] for sample in samples])
