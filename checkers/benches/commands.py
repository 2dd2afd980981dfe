#!/usr/bin/env python3
"""CPU time and memory of whole processes on the histories of `goals -- write`.

    cargo bench -p quarrel-checkers --bench goals -- write FOLDER
    cargo build --release
    checkers/benches/commands.py FOLDER target/release/quarrel

CPU is that of all threads, user and system; medians of five runs. Memory is the
most that was resident. The exit code of a check says what it found (0 held,
1 violated, 2 undecided, 3 nothing at stake) and stands beside.
"""

import os
import statistics
import subprocess
import sys

RUNS = 5
COMMANDS = [
    ("10^6 operations, another order of fields", 0.35, 200, ["foreign.jsonl"]),
    ("the same, --stream", 0.35, 200, ["foreign.jsonl", "--stream"]),
    ("10^6 on one key, a fifth stale", 1.5, None, ["stale.jsonl"]),
    ("10^5 transactions on lists", 0.6, None, ["appends.jsonl"]),
    ("10^5 with snapshots, one component, strict", 2.0, None,
     ["snapshots.jsonl", "--isolation", "strict-serializable"]),
]


def measured(command):
    """CPU seconds, resident MB and exit code of one run."""
    with open(os.devnull, "w") as nothing:
        process = subprocess.Popen(command, stdout=nothing)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1000, process.returncode


def main():
    folder, program = sys.argv[1:3]
    for what, seconds, megabytes, (file, *flags) in COMMANDS:
        command = [program, "check", os.path.join(folder, file), *flags]
        runs = [measured(command) for _ in range(RUNS)]
        cpu = statistics.median(run[0] for run in runs)
        memory = statistics.median(run[1] for run in runs)
        most = f" (<= {megabytes})" if megabytes else ""
        word = "reached" if cpu <= seconds and memory <= (megabytes or memory) else "MISSED"
        print(f"{what:45} {cpu:7.2f} s (<= {seconds})  {memory:6.0f} MB{most}  "
              f"exit {runs[0][2]}  {word}", flush=True)


if __name__ == "__main__":
    main()
