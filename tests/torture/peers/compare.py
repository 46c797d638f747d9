#!/usr/bin/python3
# SPDX-License-Identifier: Unlicense
"""compare.py [BUILD] [--rounds N] [--seed N]: the same kills with mplog and with other loggers, as a table.

Four processes, the main one among them, log numbered messages into one file; one of them is killed with SIGKILL, the
others go on for a moment and then end. Lost: calls that had returned and whose message is not in the file. Hung: rounds
after which some process had to be killed, 5 s after it was told to end.
"""
import argparse
import os
import random
import re
import signal
import struct
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
WORKERS = 3
TALLY_BYTES = 64 * 17
RATES = (("as fast as possible", 0), ("2,000 a second each", 2000))
VICTIMS = ("worker", "main")
START_S, AFTER_S, END_S = 60, 0.1, 5


def peers(build):
    programs = os.path.join(build, "tests", "torture")
    script = [sys.executable, os.path.join(ROOT, "tests", "torture", "peers", "peer.py")]
    return (("mplog", [os.path.join(programs, "peer_mplog")]),
            ("spdlog async", [os.path.join(programs, "peer_spdlog")]),
            ("cookbook (mp.Queue)", [*script, "cookbook"]), ("concurrent-log-handler", [*script, "clh"]))


def read_tally(path):
    with open(path, "rb") as f:
        data = f.read()
    entries = (struct.unpack_from("<48sQQ", data, 64 * (i + 1)) for i in range(WORKERS + 1))
    return {name.rstrip(b"\0").decode(): returned for name, returned, _ in entries if returned}


def children_of(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="utf-8") as f:
        return [int(word) for word in f.read().split()]


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)
    return condition()


def run_round(build, command, victim, rate, folder, ring_dir):
    """Calls that returned, lost, torn, doubled, hung."""
    log, tally = os.path.join(folder, "app.log"), os.path.join(folder, "tally")
    with open(tally, "wb") as f:
        f.write(struct.pack("<Q", WORKERS + 1).ljust(TALLY_BYTES, b"\0"))
    environment = {**os.environ, "MPLOG_HELPER": os.path.join(build, "mplog"), "MPLOG_RING_DIR": ring_dir}
    main = subprocess.Popen([*command, log, tally, str(rate), str(WORKERS)], env=environment, cwd=folder,
                            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            start_new_session=True)
    if not wait_for(lambda: len(read_tally(tally)) == WORKERS + 1, START_S):
        os.killpg(main.pid, signal.SIGKILL)
        main.wait()
        sys.exit(f"not all of its processes have logged within {START_S} s: {' '.join(command)}")
    time.sleep(0.05 + random.random() * 0.1)
    workers = children_of(main.pid)
    os.kill(random.choice(workers) if victim == "worker" else main.pid, signal.SIGKILL)
    time.sleep(AFTER_S)
    with open(tally, "r+b") as f:
        f.seek(8)
        f.write(b"\1")
    pids = [main.pid, *workers]
    hung = not wait_for(lambda: main.poll() is not None and not any(map(is_alive, pids)), END_S)
    for pid in filter(is_alive, pids):
        os.kill(pid, signal.SIGKILL)
    main.wait()
    wait_for(lambda: not os.path.isdir(ring_dir) or not os.listdir(ring_dir), 5)
    return judge(build, log, read_tally(tally), folder) + (hung,)


def judge(build, log, returned, folder):
    expectations = os.path.join(folder, "expected")
    with open(expectations, "w", encoding="utf-8") as f:
        f.writelines(f"{name} >={count}\n" for name, count in returned.items())
    done = subprocess.run([os.path.join(build, "tests", "oracle", "oracle"), "--expect-file", expectations, "--details",
                           "0", log], stdout=subprocess.PIPE, check=False, universal_newlines=True)
    found = dict(line.split("=") for line in done.stdout.splitlines())
    return (sum(returned.values()), *(int(found.get(key, -1)) for key in ("lost", "torn", "doubled")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("build", nargs="?", default=os.path.join(ROOT, "build"))
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    random.seed(arguments.seed)
    print(f"{arguments.rounds} rounds each\n\n"
          "| killed | rate | logger | calls returned | lost | rounds with loss | torn | doubled | hung |\n"
          "|---|---|---|--:|--:|--:|--:|--:|--:|")
    for victim in VICTIMS:
        for rate_name, rate in RATES:
            for name, command in peers(os.path.abspath(arguments.build)):
                if not os.access(command[0], os.X_OK):
                    print(f"| {victim} | {rate_name} | {name} | not built here |")
                    continue
                show(arguments, victim, rate_name, rate, name, command)


def show(arguments, victim, rate_name, rate, name, command):
    total = [0, 0, 0, 0, 0]
    rounds_with_loss = 0
    for _ in range(arguments.rounds):
        with tempfile.TemporaryDirectory(prefix="mplog-peers-") as folder, \
                tempfile.TemporaryDirectory(prefix="mplog-peers-", dir="/dev/shm") as ring_dir:
            result = run_round(os.path.abspath(arguments.build), command, victim, rate, folder, ring_dir)
            rounds_with_loss += result[1] > 0
            total = [a + b for a, b in zip(total, result)]
    returned, lost, torn, doubled, hung = total
    print(f"| {victim} | {rate_name} | {name} | {returned:,} | {lost:,} | {rounds_with_loss} | {torn} | {doubled} | "
          f"{hung} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
