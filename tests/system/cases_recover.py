# SPDX-License-Identifier: Unlicense
"""What is left when every process was killed: recovered by the next set-up on the same file, or by mplog recover. And
sessions in numbers: mplog stat."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time

from support import Skip, check, files_below, processes_naming, wait_until

RECOVERED = re.compile(r"WARNING +mplog \[[^]]*\] (\d+) records? of a session that ended at "
                       r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:was|were) recovered\n")
BOOT_ID_AT = 8 + 8 + 40  # of struct mpl_control_head: magic, version, size, session id
OLD = 60  # seconds: what is incomplete for so long is nobody's work


# ---- killing ----

def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def is_dead(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            return f.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def kill_everything(t, in_peace=True):
    """In any order. Whoever lives a moment longer may start another collector. `in_peace`: waits until all are dead."""
    killed = set()
    while victims := list(processes_naming(t.dir, t.ring_dir)):
        t.random.shuffle(victims)
        killed.update(victims)
        for pid in victims:
            kill(pid)
    for running in t.running if in_peace else ():
        running.wait(status=None)
    wait_until(lambda: not in_peace or all(map(is_dead, killed)), 5, "all are dead")


def start_load(t, *arguments, **mplog):
    rate = t.random.choice((0, 2000, 20_000))
    return t.produce("--processes", t.random.choice((0, 1, 3)), "--threads", 2, "--records", -1, "--rate", rate,
                     *arguments, mplog=mplog)


def kill_under_load(t, *arguments, **mplog):
    start_load(t, *arguments, **mplog)
    t.wait_for_calls(t.random.choice((1, 100, 5000)))
    time.sleep(t.random.random() * 0.05)
    kill_everything(t)


def leave_backlog(t, calls, *arguments, **mplog):
    """As many calls return while the collector is stopped, and are in memory alone."""
    before = t.returned()
    t.produce("--threads", 3, "--records", -1, *arguments, mplog=mplog)
    t.wait_for_calls(before + 1)
    collector = t.wait_for_collector()
    kill(collector, signal.SIGSTOP)
    t.wait_for_calls(t.returned() + calls)
    for pid in set(processes_naming(t.dir, t.ring_dir)) - {collector}:
        kill(pid)  # first: they could start another
    kill_everything(t)


# ---- the command ----

def command(t, *arguments, status=0):
    done = subprocess.run([t.bench.helper, *arguments], capture_output=True, text=True, check=False, timeout=30,
                          env=t.env, cwd=t.log_dir)
    check(done.returncode == status, arguments, "exit status", done.returncode, done.stdout, done.stderr)
    check(status or not done.stderr, done.stderr)
    return done.stdout


def recover(t, *arguments, **how):
    """session -> records, as it says"""
    lines = command(t, "recover", *arguments, **how).splitlines()
    if lines == ["There is nothing to recover."]:
        return {}
    found = [re.fullmatch(r"(\S+): (?:(\d+) records? (?:wait for|waits for|written to) (.*)|incomplete, .*)", line)
             for line in lines]
    check(all(found), lines)
    return {m[1]: int(m[2] or 0) for m in found}


def stat(t, *arguments, **how):
    return json.loads(command(t, "stat", "--json", *arguments, **how))


def lines_in(t):
    return sum(t.read_log(name).count("\n") for name in os.listdir(t.log_dir))


def recovered_in(t):
    return [int(n) for name in sorted(os.listdir(t.log_dir)) for n in RECOVERED.findall(t.read_log(name))]


def forget_round(t):
    for name in os.listdir(t.log_dir):
        os.remove(os.path.join(t.log_dir, name))
    os.remove(t.tally_path)


def check_recovered(t, lines_before, *arguments, own_lines=0):
    """Everything is there once; the line that says so counts what came after the death."""
    said = recovered_in(t)
    check(sum(said) == lines_in(t) - lines_before - len(said) - own_lines, said, lines_before, lines_in(t))
    found = t.check_log(*arguments, at_least=["p."], foreign=len(said))
    check(found["lost"] == 0, found)
    return sum(said)


# ---- by the next set-up, by command ----

def next_setup_recovers_all_that_was_killed(t):
    recovered, slowest = 0, 0
    for turn in range(t.size(100, 1000)):
        if turn >= t.size(8, 200) and recovered > 100:
            break  # on a busy machine the collector sometimes leaves little to recover
        how = t.random.choice(({}, {}, {"max_bytes": 100_000, "backup_count": 100_000}, {"collector": "thread"}))
        kill_under_load(t, **how)
        before = lines_in(t)
        began = time.monotonic()
        t.produce("--name", f"next{turn}", "--records", 10, mplog=how).wait()
        slowest = max(slowest, time.monotonic() - began)
        t.wait_until_gone()
        recovered += check_recovered(t, before, own_lines=10)
        check(not t.leftovers(), t.leftovers())
        forget_round(t)
    t.note(f"{recovered} records recovered; the slowest program that did it: {slowest:.2f} s")
    check(recovered > 100, "nothing was tested")


def recover_writes_all_that_was_killed(t):
    recovered = 0
    for turn in range(t.size(100, 1000)):
        if turn >= t.size(8, 200) and recovered > 100:
            break
        kill_under_load(t, **t.random.choice(({}, {"max_bytes": 100_000, "backup_count": 100_000})))
        before, sessions = lines_in(t), t.sessions()
        would = wait_until(lambda: recover(t, "--dry-run"), 5, "the session is dead")
        check(lines_in(t) == before and t.sessions() == sessions, "a dry run has changed something")
        did = recover(t)
        check(did == would and list(did) == sessions, "dry run:", would, "then:", did, sessions)
        check(check_recovered(t, before) == sum(did.values()), did)
        recovered += sum(did.values())
        check(recover(t) == {} and not t.leftovers(), t.leftovers())
        forget_round(t)
    t.note(f"{recovered} records recovered")
    check(recovered > 100, "nothing was tested")


def recover_that_is_killed_is_continued_by_the_next(t):
    recovered, killed = 0, 0
    for _ in range(t.size(4, 100)):
        leave_backlog(t, 50_000, **t.random.choice(({}, {"max_bytes": 500_000, "backup_count": 100_000})))
        waiting = sum(recover(t, "--dry-run").values())
        for _ in range(5):
            program = t.start(t.bench.helper, "recover", t.ring_dir, stdout=subprocess.DEVNULL)
            time.sleep(t.random.random() * 0.02)
            killed += program.process.poll() is None
            kill(program.pid)
            program.wait(status=None)
        recover(t)
        found = t.check_log(at_least=["p."], foreign=len(recovered_in(t)))
        check(found["lost"] == found["doubled"] == 0, found)
        recovered += waiting
        forget_round(t)
    t.note(f"{recovered} records recovered, {killed} times killed in between")
    check(killed > 5, "nothing was tested")


def many_recover_at_once_and_only_one_writes(t):
    for _ in range(t.size(5, 50)):
        leave_backlog(t, 10_000)
        before = lines_in(t)
        programs = [t.start(t.bench.helper, "recover", t.ring_dir) for _ in range(4)]
        programs += [t.produce("--name", f"next{i}", "--records", 10) for i in range(3)]
        for program in programs:
            program.wait()
        t.wait_until_gone()
        check_recovered(t, before, own_lines=30)
        forget_round(t)


def recover_without_standard_descriptors_does_not_write_into_the_log(t):
    for closed in (">&-", "<&- >&- 2>&-"):
        leave_backlog(t, 100)
        before = lines_in(t)
        t.start("sh", "-c", f"exec '{t.bench.helper}' recover {closed}").wait(status=None)
        check_recovered(t, before)
        forget_round(t)


def several_sessions_on_one_file_are_recovered_in_their_order(t):
    """The second crash comes before anybody has looked after the first one."""
    parent, hidden = (os.path.join(t.ring_dir, name) for name in (f"mplog-{os.geteuid()}", "hidden"))
    os.mkdir(hidden)
    for turn in range(3):
        leave_backlog(t, 500, "--name", f"p.{turn}")
        for session in t.sessions():
            os.rename(session, os.path.join(hidden, os.path.basename(session)))
    for name in os.listdir(hidden):
        os.rename(os.path.join(hidden, name), os.path.join(parent, name))
    os.rmdir(hidden)
    before = len(t.read_log())
    check(len(recover(t)) == 3)
    turns = [int(n) for n in re.findall(r"#p\.(\d)\.", t.read_log()[before:])]
    check(turns == sorted(turns) and set(turns) == {0, 1, 2}, "not in their order")
    t.check_log(at_least=["p."], foreign=len(recovered_in(t)))


def truncation_at_setup_comes_after_recovery(t):
    leave_backlog(t, 2000)
    t.produce("--name", "next", "--records", 10, mplog={"file_mode": "w"}).wait()
    t.wait_until_gone()
    found = t.ask_oracle("--expect", "next.0.0=10", files=[t.log])
    check(found["payloads"] == found["lines"] == 10, found)


def other_files_wait_for_their_own_setup(t):
    leave_backlog(t, 500)
    sessions = t.sessions()
    other = os.path.join(t.log_dir, "other.log")
    t.produce("--name", "other", "--records", 10, mplog={"log_file": other}).wait()
    t.wait_until_gone()
    check(t.sessions() == sessions, "the other set-up has touched it")
    t.produce("--name", "next", "--records", 10).wait()
    t.wait_until_gone()
    t.check_log(at_least=["p."], files=[t.log, other], foreign=1)


def session_without_a_file_is_removed_by_the_next_setup(t):
    t.produce("--records", -1, "--rate", 1000, mplog={"log_file": None, "log_to_stderr": "true"},
              stderr=subprocess.DEVNULL)
    t.wait_for_calls(10)
    kill_everything(t)
    check(len(t.sessions()) == 1)
    t.produce("--name", "next", "--records", 10).wait()
    t.wait_until_gone()


# ---- what lives is not touched ----

def living_sessions_are_not_touched(t):
    producer = t.produce("--first", 20, "--delay-ms", 700, "--records", 10)
    t.wait_for_calls(20)
    collector = t.wait_for_collector()
    check(recover(t) == {} and t.collectors() == [collector])
    kill(collector)
    time.sleep(0.05)
    check(recover(t) == {} and recover(t, "--dry-run") == {} and len(t.sessions()) == 1)
    t.produce("--name", "next", "--records", 10).wait()
    check(producer.process.poll() is None, "the producer was too fast: nothing was tested")
    producer.wait()
    check(t.check_log()["payloads"] == 40)


def collector_that_lives_is_not_touched(t):
    """All members are dead, and it is stopped before it notices."""
    producer = t.produce("--records", -1)
    t.wait_for_calls(100)
    collector = t.wait_for_collector()
    kill(collector, signal.SIGSTOP)
    t.wait_for_calls(t.returned() + 1000)
    kill(producer.pid)
    producer.wait(status=None)
    before = lines_in(t)
    check(recover(t) == {} and lines_in(t) == before)
    kill(collector, signal.SIGCONT)
    t.wait_until_gone()
    t.check_log(at_least=["p."])


def member_that_was_killed_in_a_living_session_is_left_to_it(t):
    """Somebody lives, idle; the others and the collector are dead. The next one who needs a collector starts it."""
    witness = t.produce("--first", 1, "--delay-ms", 1000, "--records", 1)
    t.wait_for_calls(1)
    session = t.sessions()[0]
    with open(os.path.join(session, "options"), encoding="utf-8") as f:
        environment = {**t.env, "MPLOG_SESSION": f"dir={session};{f.read()}"}
    victim = t.produce("--name", "victim", "--records", -1, "--rate", 1000, env=environment)
    t.wait_for_calls(50)
    collector = t.wait_for_collector()
    kill(collector, signal.SIGSTOP)
    t.wait_for_calls(t.returned() + 20)
    kill(victim.pid)
    kill(collector)
    victim.wait(status=None)
    check(recover(t) == {} and t.sessions() == [session])
    witness.wait()
    t.wait_until_gone()
    t.check_log(at_least=["victim"])


# ---- boots, pids, namespaces ----

def session_of_an_earlier_boot_has_no_living_process(t):
    leave_backlog(t, 500)
    control = os.path.join(t.sessions()[0], "control")
    patch_slots(control, os.getpid(), start_time_of(os.getpid()))
    with open(control, "r+b") as f:
        f.seek(BOOT_ID_AT)
        f.write(b"01234567-89ab-cdef-0123-456789abcdef")
    before = lines_in(t)
    check(sum(recover(t).values()) > 400)
    check_recovered(t, before)


def start_time_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return int(f.read().rpartition(")")[2].split()[19])


def patch_slots(control, pid, start_time):
    """As if the pids of all members had been given to this process; struct mpl_slot lies at the end of the file."""
    size = os.path.getsize(control)
    with open(control, "r+b") as f:
        data = bytearray(f.read())
        for at in range(size - 4096 * 64, size, 64):
            word = struct.unpack_from("<Q", data, at)[0]
            if word & 0xff:
                struct.pack_into("<QQQ", data, at, word & 0xffffffff | pid << 32,
                                 struct.unpack_from("<Q", data, at + 8)[0], start_time)
        f.seek(0)
        f.write(data)


def pid_that_was_given_to_another_process_is_not_a_member(t):
    """Even with the same start time: it has not mapped the member's memory."""
    leave_backlog(t, 500)
    patch_slots(os.path.join(t.sessions()[0], "control"), os.getpid(), start_time_of(os.getpid()))
    before = lines_in(t)
    check(sum(recover(t).values()) > 400)
    check_recovered(t, before)


def start_in_pid_namespace(t, *arguments):
    if subprocess.run(["unshare", "-pf", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no pid namespaces")
    return t.start("unshare", "-pf", "--kill-child", t.bench.producer, "--tally", t.tally_path, *arguments,
                   *t.options())


def dead_pid_namespace_is_recovered_from_outside(t):
    start_in_pid_namespace(t, "--processes", "2", "--records", "-1", "--rate", "5000")
    t.wait_for_calls(2000)
    kill_everything(t)
    before = lines_in(t)
    check(len(recover(t)) == 1)
    check_recovered(t, before)


def living_pid_namespace_is_not_touched_from_outside(t):
    program = start_in_pid_namespace(t, "--first", "20", "--delay-ms", "700", "--records", "10")
    t.wait_for_calls(20)
    kill(t.wait_for_collector())
    time.sleep(0.05)
    check(recover(t) == {} and len(t.sessions()) == 1)
    check(program.process.poll() is None, "the producer was too fast: nothing was tested")
    program.wait()
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 30)
    check(sum(recover(t).values()) == 0)  # the namespace took its collector along before that could remove the session


# ---- the directory ----

def directory_deleted_under_running_members_loses_nothing(t):
    """Rings that grow, new threads and new processes come after it."""
    for turn in range(t.size(2, 40)):
        producer = t.produce("--processes", 2, "--threads", 2, "--rate", 3000, "--records", 3000, "--huge-every", 100,
                             "--storm", 10, "--storm-records", 5, mplog={"block_timeout_ms": 20_000})
        t.wait_for_calls(t.random.choice((1, 500, 3000)))
        shutil.rmtree(os.path.join(t.ring_dir, f"mplog-{os.geteuid()}"), ignore_errors=True)
        producer.wait()
        t.wait_until_gone()
        found = t.check_log()
        check(found["lost"] == 0, "turn", turn, found)
        check(not t.leftovers(), t.leftovers())
        forget_round(t)


def make_incomplete(t, name, age):
    path = os.path.join(t.ring_dir, f"mplog-{os.geteuid()}", name)
    os.makedirs(path, mode=0o700)
    os.chmod(os.path.dirname(path), 0o700)
    with open(os.path.join(path, "options"), "wb"):
        pass
    then = time.time() - age
    os.utime(path, (then, then))
    return path


def incomplete_directories_are_removed(t):
    identity = "0123456789abcdef" * 2
    old = [make_incomplete(t, identity + end, OLD) for end in ("", ".new-0123456789abcdef", ".gone-0123456789abcdef")]
    young = make_incomplete(t, identity + ".new-1111111111111111", 0)
    built = make_incomplete(t, identity + ".new-2222222222222222", OLD)
    strange = make_incomplete(t, "something else", OLD)
    with subprocess.Popen(["flock", built, "sh", "-c", "echo; read line"], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE) as builder:
        builder.stdout.readline()
        check(sorted(recover(t, "--dry-run")) == sorted(old) and all(map(os.path.exists, old)))
        check(sorted(recover(t)) == sorted(old))
        left = {path for path in (*old, young, built, strange) if os.path.exists(path)}
        check(left == {young, built, strange}, left)
        builder.communicate(b"\n")
    check(list(recover(t)) == [built])
    shutil.rmtree(young)
    shutil.rmtree(os.path.dirname(strange))


def setup_that_is_killed_leaves_nothing_for_long(t):
    leftovers = 0
    for turn in range(t.size(40, 1000)):
        program = t.produce("--name", f"p.{turn}", "--records", 3)
        time.sleep(t.random.random() * 0.006)
        kill_everything(t)
        program.wait(status=None)
        leftovers += len(files_below(t.ring_dir)) > 0
    then = time.time() - OLD
    for path in files_below(t.ring_dir):
        if ".new-" in os.path.basename(path):
            os.utime(path, (then, then))
    recover(t)
    t.note(f"{leftovers} of {turn + 1} kills left something")
    if os.path.exists(t.tally_path) and os.path.exists(t.log):
        t.check_log(at_least=["p."], foreign=len(recovered_in(t)))


def session_of_another_version_is_named(t):
    leave_backlog(t, 100)
    control = os.path.join(t.sessions()[0], "control")
    with open(control, "r+b") as f:
        f.seek(4)
        f.write(struct.pack("<I", 999))
    done = subprocess.run([t.bench.helper, "recover"], capture_output=True, text=True, check=False, env=t.env)
    check(done.returncode == 111 and "version" in done.stderr and t.sessions()[0] in done.stderr, done)
    check(stat(t)[0]["problem"].count("version") == 1)
    t.produce("--name", "next", "--records", 10).wait()
    shutil.rmtree(t.sessions()[0])
    os.rmdir(os.path.join(t.ring_dir, f"mplog-{os.geteuid()}"))


# ---- in numbers ----

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


def stat_counts_every_record_once_at_quiet_moments(t):
    """Across deaths of collectors and of members."""
    producer = t.produce("--processes", 2, "--threads", 2, "--records", 4000, "--rate", 10_000, "--storm", 4,
                         "--hold-ms", 700)
    killed = set()
    for _ in range(4):
        pid = t.wait_for_collector(other_than=killed)
        kill(pid)
        killed.add(pid)
        time.sleep(0.05)
    t.wait_for_calls(2 * 2 * 4000 + 8 * 20)
    report = settled(t)
    check(producer.process.poll() is None, "the producer was too fast: nothing was tested")
    check_account(t, report, written=2 * 2 * 4000 + 8 * 20)
    check(report["collector"]["alive"] and report["collector"]["pid"] == t.collectors()[0], report["collector"])
    members = {m["pid"]: m for m in report["members"]}
    check(set(members) == set(processes_naming(t.tally_path)), members)
    check(members.pop(producer.pid)["rings"] == 0, "the starter has logged nothing")
    check(all(m["name"] == "producer" and m["rings"] >= 2 for m in members.values()), members)
    check(report["log_file"] == t.log and report["state"] == "running" and report["lag_ns"] == 0, report)
    check(report["sinks"][0]["bytes"] == os.path.getsize(t.log), report["sinks"], os.path.getsize(t.log))
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
    check(sum(m["waiting"] for m in waiting["members"]) == waiting["waiting"], waiting)
    kill(collector, signal.SIGCONT)
    report = settled(t)
    check(report["lost"]["dropped"] == waiting["lost"]["dropped"], report["lost"], waiting["lost"])
    check_account(t, report)
    t.wait_until_gone(4)
    found = t.check_log()
    check(found["payloads"] == report["sinks"][0]["written"] and found["lost"] == report["lost"]["dropped"], found,
          report)


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
    check(all(word in text for word in (other, "running, collector: process", "10 accepted", "producer")), text)
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
    for _ in range(t.size(20, 2000)):
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
    recover_that_is_killed_is_continued_by_the_next, many_recover_at_once_and_only_one_writes,
    recover_without_standard_descriptors_does_not_write_into_the_log,
    several_sessions_on_one_file_are_recovered_in_their_order, truncation_at_setup_comes_after_recovery,
    other_files_wait_for_their_own_setup, session_without_a_file_is_removed_by_the_next_setup,
    living_sessions_are_not_touched, collector_that_lives_is_not_touched,
    member_that_was_killed_in_a_living_session_is_left_to_it, session_of_an_earlier_boot_has_no_living_process,
    pid_that_was_given_to_another_process_is_not_a_member, dead_pid_namespace_is_recovered_from_outside,
    living_pid_namespace_is_not_touched_from_outside, directory_deleted_under_running_members_loses_nothing,
    incomplete_directories_are_removed, setup_that_is_killed_leaves_nothing_for_long,
    session_of_another_version_is_named,
)

# Random moments of death; how much there is to recover depends on the machine.
LONG_CASES = (next_setup_recovers_all_that_was_killed, recover_writes_all_that_was_killed)
