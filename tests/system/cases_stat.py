# SPDX-License-Identifier: Unlicense
"""Sessions in numbers: mplog stat. Also of those that are damaged."""
import json
import os
import shutil
import signal
import subprocess
import time

from cases_recover import command, forget_round, kill, leave_backlog, stat
from support import check, processes_naming, wait_until


def check_account(t, report, written=None):
    """accepted = written + lost, and it is what the producers know."""
    lost = sum(n for cause, n in report["lost"].items() if cause != "corrupt_bytes")
    check(report["accepted"] == t.returned(), "accepted", report["accepted"], "returned", t.returned())
    for sink in report["sinks"]:
        parts = sum(sink[part] for part in ("written", "waiting", "lost", "skipped"))
        check(parts + lost == report["accepted"], sink, lost, report["accepted"])
    file = report["sinks"][0]
    check(file["waiting"] == 0, report)
    check(written is None or file["written"] == written, file, written)


def settled(t, *files):
    """The only session, when nothing waits any more."""
    def look():
        report = stat(t, *files)[0]
        return report["waiting"] == 0 and report["accepted"] == t.returned() and report
    return wait_until(look, 5, "nothing waits")


def has_one_thread(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/task")) == 1
    except FileNotFoundError:
        return False


def quiet_report(t, processes):
    """Of the only session, when its threads and short-lived children have ended, so that nobody can log any more, and
    nothing waits."""
    living = set(processes_naming(t.tally_path))
    if len(living) != processes or not all(map(has_one_thread, living)):
        return None
    report = stat(t)[0]
    is_quiet = report["waiting"] == 0 and report["accepted"] == t.returned()
    return is_quiet and {m["pid"] for m in report["members"]} == living and report


def stat_counts_every_record_once_at_quiet_moments(t):
    """Across deaths of collectors and of members."""
    producer = t.produce("--processes", 2, "--threads", 2, "--records", -1, "--rate", 10_000, "--storm", 4,
                         "--hold-ms", 60_000)
    killed = set()
    for _ in range(4):
        pid = t.wait_for_collector(other_than=killed)
        kill(pid)
        killed.add(pid)
        time.sleep(0.05)
    t.wait_for_collector(other_than=killed)  # who logs next has started it
    t.tell_producers_to_stop()
    report = wait_until(lambda: quiet_report(t, 3), 20, "a quiet moment")
    check_account(t, report, written=t.returned())
    check(report["collector"]["alive"] and report["collector"]["pid"] == t.collectors()[0], report["collector"])
    members = {m["pid"]: m for m in report["members"]}
    check(set(members) == set(processes_naming(t.tally_path)), members)
    check(members.pop(producer.pid)["rings"] == 1, "the starter has logged nothing: only the ring for signal handlers")
    check(all(m["name"] == "producer" and m["rings"] >= 2 for m in members.values()), members)
    check(report["log_file"] == t.log and report["state"] == "running" and report["lag_ns"] == 0, report)
    check(report["sinks"][0]["bytes"] == os.path.getsize(t.log), report["sinks"], os.path.getsize(t.log))
    t.tell_producers_to_stop(and_end=True)
    producer.wait()
    t.check_log()


def stat_counts_losses_by_cause(t):
    """The rings are too small for what comes while the collector is stopped."""
    t.produce("--processes", 2, "--records", 30_000, "--hold-ms", 1500,
              mplog={"overflow": "drop", "ring_max_bytes": 65536})
    collector = t.wait_for_collector()
    kill(collector, signal.SIGSTOP)
    t.wait_for_calls(60_000)
    waiting = stat(t)[0]
    check(waiting["waiting"] > 100 and waiting["lag_ns"] > 1_000_000, waiting)
    check(waiting["accepted"] == 60_000 and waiting["lost"]["dropped"] > 10_000, waiting)
    # What is in no ring any more is decided and on its way: the stop came in the middle of that.
    on_its_way = waiting["waiting"] - sum(m["waiting"] for m in waiting["members"])
    check(on_its_way >= 0 and (on_its_way > 0) == (waiting["sinks"][0]["waiting_bytes"] > 0), on_its_way, waiting)
    kill(collector, signal.SIGCONT)
    report = settled(t)
    check(report["lost"]["dropped"] == waiting["lost"]["dropped"], report["lost"], waiting["lost"])
    check_account(t, report)
    t.wait_until_gone(4)
    found = t.check_log()
    check(found["payloads"] == report["sinks"][0]["written"] and found["lost"] == report["lost"]["dropped"],
          found, report)


def stat_counts_what_a_slow_reader_of_stderr_missed(t):
    reader, writer = os.pipe()
    t.produce("--threads", 2, "--records", 20_000, "--hold-ms", 1000, mplog={"log_to_stderr": "true"}, stderr=writer)
    os.close(writer)
    t.wait_for_calls(40_000)
    report = wait_until(lambda: (r := stat(t)[0])["sinks"][0]["written"] == 40_000 and r, 5, "all is in the file")
    check_account(t, report)
    file, stderr = report["sinks"]
    check(file["lost"] == 0 and stderr["lost"] > 1000 and stderr["kind"] == "stderr", report["sinks"])
    check(stderr["waiting_bytes"] > 100_000, stderr)
    while os.read(reader, 1 << 20):
        pass
    os.close(reader)
    t.wait_until_gone(4)


def stat_shows_the_sessions_of_a_file(t):
    other = os.path.join(t.log_dir, "other.log")
    programs = [t.produce("--name", f"p{i}", "--records", 10, "--hold-ms", 700, mplog={"log_file": path})
                for i, path in enumerate((t.log, t.log, other))]
    t.wait_for_calls(30)
    check(len(stat(t)) == 3 and len(stat(t, t.log)) == 2 and len(stat(t, "other.log")) == 1)
    check(stat(t, "nothing.log", status=1) == [])
    text = command(t, "stat", other)
    wanted = (other, "running, collector: process", "10 accepted", "producer")
    missing = [words for words in wanted if words not in text]
    check(not missing, missing, text)
    for program in programs:
        program.wait()
    t.wait_until_gone()
    check(stat(t, status=1) == [] and command(t, "stat", status=1) == "")


def names_cannot_drive_a_terminal(t):
    log = os.path.join(t.log_dir, "app.log")
    strange = os.path.join(t.dir, "a\x1b[31m\"b\n\udcff")
    os.symlink(log, strange)
    producer = t.produce("--records", 1, "--hold-ms", 500, mplog={"log_file": strange})
    t.wait_for_calls(1)
    text = command(t, "stat")
    check("a\\x1b[31m\"b\\x0a\\xff" in text and "\x1b" not in text, text)
    check(stat(t)[0]["log_file"] == strange.replace("\udcff", "\ufffd"))
    producer.wait()


# ---- damage ----

def damage(t, session):
    name = t.random.choice(os.listdir(session))
    path = os.path.join(session, name)
    size = os.path.getsize(path)
    if t.random.random() < 0.2:
        os.truncate(path, t.random.randrange(size + 1))
        return
    with open(path, "r+b") as f:
        for _ in range(t.random.choice((1, 5, 100))):
            f.seek(t.random.randrange(t.random.choice((1024, 8192, size))) if size else 0)
            f.write(t.random.choice((b"\0", b"\xff", t.random.randbytes(1))) * t.random.choice((1, 4, 8)))


def damaged_sessions_harm_nobody_who_looks_at_them(t):
    """Their numbers may be wrong, but the command ends, at once and in one piece."""
    for _ in range(t.size(8, 2000)):
        leave_backlog(t, 50)
        for _ in range(t.random.choice((1, 3, 10))):
            damage(t, t.sessions()[0])
        for words in (("stat", "--json"), ("stat",), ("recover", "--dry-run")):
            done = subprocess.run([t.bench.helper, *words], capture_output=True, check=False, timeout=3, env=t.env)
            check(done.returncode in (0, 111), words, done)
            if "--json" in words:
                json.loads(done.stdout)
        t.produce("--name", "next", "--records", 3).wait()
        shutil.rmtree(os.path.join(t.ring_dir, f"mplog-{os.geteuid()}"), ignore_errors=True)
        t.wait_until_gone(7)  # of a collector that was at work on it
        forget_round(t)


CASES = (
    stat_counts_every_record_once_at_quiet_moments, stat_counts_losses_by_cause,
    stat_counts_what_a_slow_reader_of_stderr_missed, stat_shows_the_sessions_of_a_file, names_cannot_drive_a_terminal,
    damaged_sessions_harm_nobody_who_looks_at_them,
)
