# SPDX-License-Identifier: Unlicense
"""What is left when every process was killed: recovered by the next set-up on the same file, or by mplog recover."""
import json
import os
import re
import shutil
import signal
import struct
import subprocess
import time

from support import Skip, check, files_below, processes_naming, read_bytes, wait_until

RECOVERED = re.compile(r"WARNING +mplog \[[^]]*\] (\d+) records? of a session that ended at "
                       r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:was|were) recovered\n")
BOOT_ID_AT = 8 + 8 + 40  # of struct mpl_control_head: magic, version, size, session id
JOINING = 1  # MPL_SLOT_JOINING of src/shm/abi.h
OLD = 60  # seconds: what is incomplete for so long is nobody's work


# ---- killing ----

def kill(pid, number=signal.SIGKILL):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def is_dead(pid):
    """With all its threads, of which the last one gives up locks."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
            fields = f.read().rpartition(")")[2].split()
            return fields[0] in "ZX" and int(fields[17]) <= 1
    except OSError:
        return True


def is_helper_being_executed(t):
    """Somebody's: it is the program already, and has no command line yet."""
    def is_one(pid):
        try:
            return os.path.samefile(f"/proc/{pid}/exe", t.bench.helper) and not read_bytes(f"/proc/{pid}/cmdline")
        except OSError:
            return False
    return any(map(is_one, filter(str.isdigit, os.listdir("/proc"))))


def kill_everything(t, in_peace=True):
    """In any order. Whoever lives a moment longer may start another collector. `in_peace`: waits until all are dead."""
    killed, looks_in_vain = set(), 0
    while looks_in_vain < (3 if in_peace else 1):
        victims = list(processes_naming(t.dir, t.ring_dir))
        looks_in_vain = 0 if victims or is_helper_being_executed(t) else looks_in_vain + 1
        t.random.shuffle(victims)
        killed.update(victims)
        for pid in victims:
            kill(pid)
        time.sleep(0 if victims else 0.003)
    for running in t.running if in_peace else ():
        running.wait(status=None)
    wait_until(lambda: not in_peace or all(map(is_dead, killed)), 5, "all are dead")


def start_load(t, **mplog):
    rate = t.random.choice((0, 0, 2000, 20_000))
    return t.produce("--processes", t.random.choice((0, 1, 3)), "--threads", 2, "--records", -1, "--rate", rate,
                     mplog=mplog)


def kill_under_load(t, in_peace=True, **mplog):
    start_load(t, **mplog)
    t.wait_for_calls(t.random.choice((1, 100, 5000)))
    time.sleep(t.random.random() * 0.05)
    kill_everything(t, in_peace)


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
    if lines_before is not None:
        check(sum(said) == lines_in(t) - lines_before - len(said) - own_lines, said, lines_before, lines_in(t))
    found = t.check_log(*arguments, at_least=["p."], foreign=len(said))
    check(found["lost"] == 0, found)
    return sum(said)


# ---- by the next set-up, by command ----

def next_setup_recovers_all_that_was_killed(t):
    recovered, slowest = 0, 0
    for turn in range(t.size(5, 200)):
        how = t.random.choice(({}, {}, {"max_bytes": 100_000, "backup_count": 100_000}, {"collector": "thread"}))
        kill_under_load(t, in_peace=turn % 2 == 0, **how)
        before = lines_in(t) if turn % 2 == 0 else None
        began = time.monotonic()
        t.produce("--name", f"next{turn}", "--records", 10, mplog=how).wait()
        slowest = max(slowest, time.monotonic() - began)
        t.wait_until_gone()
        check(not t.leftovers(), "turn", turn, t.leftovers())
        recovered += check_recovered(t, before, own_lines=10)
        forget_round(t)
    t.note(f"{recovered} records recovered; the slowest program that did it: {slowest:.2f} s")
    check(recovered > 0, "nothing was tested")


def recover_writes_all_that_was_killed(t):
    recovered = 0
    for _ in range(t.size(5, 200)):
        kill_under_load(t, **t.random.choice(({}, {"max_bytes": 100_000, "backup_count": 100_000})))
        before, sessions = lines_in(t), t.sessions()
        would = recover(t, "--dry-run")
        check(lines_in(t) == before and t.sessions() == sessions, "a dry run has changed something")
        did = recover(t)
        check(did == would and list(did) == sessions, "dry run:", would, "then:", did, sessions)
        check(check_recovered(t, before) == sum(did.values()), did)
        recovered += sum(did.values())
        check(recover(t) == {} and not t.leftovers(), t.leftovers())
        forget_round(t)
    t.note(f"{recovered} records recovered")
    check(recovered > 0, "nothing was tested")


def recover_that_is_killed_is_continued_by_the_next(t):
    recovered, killed = 0, 0
    for _ in range(t.size(4, 100)):
        leave_backlog(t, 50_000, **t.random.choice(({}, {"max_bytes": 500_000, "backup_count": 100_000})))
        waiting = sum(recover(t, "--dry-run").values())
        for _ in range(5):
            program = t.start(t.bench.helper, "recover", t.ring_dir, stdout=subprocess.DEVNULL)
            time.sleep(t.random.random() * 0.01)
            killed += program.process.poll() is None
            kill(program.pid)
            program.wait(status=None)
        for path in files_below(t.ring_dir):
            if ".gone-" in os.path.basename(path):  # killed while it deleted: swept when it is old
                os.utime(path, (time.time() - OLD, time.time() - OLD))
        recover(t)
        found = t.check_log(at_least=["p."], foreign=len(recovered_in(t)))
        check(found["lost"] == found["doubled"] == 0, found)
        recovered += waiting
        forget_round(t)
    t.note(f"{recovered} records recovered, {killed} times killed in between")
    check(killed > 0, "nothing was tested")


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
    kill(t.wait_for_collector(), signal.SIGSTOP)  # or it may have time to remove what it finds without members
    kill_everything(t)
    check(len(t.sessions()) == 1, t.sessions())
    t.produce("--name", "next", "--records", 10).wait()
    t.wait_until_gone()


def recover_into_a_pipe_says_that_nobody_reads_it_and_waits_for_who_does(t):
    path = t.new_path("fifo")
    os.mkfifo(path)
    t.produce("--records", 3000, "--hold-ms", 60_000, mplog={"log_file": path})
    t.wait_for_calls(3000)
    kill_everything(t)
    done = subprocess.run([t.bench.helper, "recover"], capture_output=True, text=True, check=False, timeout=30,
                          env=t.env)
    said = rf"mplog: fatal: unable to recover {t.sessions()[0]}: {path}: \d+ bytes wait for its reader\n"
    check(done.returncode == 111 and re.fullmatch(said, done.stderr), done)
    with subprocess.Popen(["cat", path], stdout=subprocess.DEVNULL):
        check(len(recover(t)) == 1 and not t.sessions(), t.sessions())


# ---- what lives is not touched ----

def living_sessions_are_not_touched(t):
    producer = t.produce("--first", 20, "--delay-ms", 1500, "--records", 10)
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
    witness = t.produce("--first", 1, "--delay-ms", 1500, "--records", 1)
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
    """Also where a pid is somebody's again: of members, and of one, the starter, that was just joining."""
    leave_backlog(t, 500, "--processes", 1)
    control = os.path.join(t.sessions()[0], "control")
    patch_slots(control, os.getpid(), start_time_of(os.getpid()), first_state=JOINING)
    with open(control, "r+b") as f:
        f.seek(BOOT_ID_AT)
        f.write(b"01234567-89ab-cdef-0123-456789abcdef")
    before = lines_in(t)
    check(sum(recover(t).values()) > 400)
    check_recovered(t, before)


def start_time_of(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return int(f.read().rpartition(")")[2].split()[19])


def patch_slots(control, pid, start_time, first_state=None):
    """As if the pids of all members had been given to this process; struct mpl_slot lies at the end of the file.
    `first_state`: of the first one, instead of what it is."""
    size = os.path.getsize(control)
    with open(control, "r+b") as f:
        data = bytearray(f.read())
        for at in range(size - 4096 * 64, size, 64):
            word = struct.unpack_from("<Q", data, at)[0]
            if word & 0xff:
                if first_state is not None:
                    word, first_state = word & ~0xff | first_state, None
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
    program = start_in_pid_namespace(t, "--first", "20", "--delay-ms", "1500", "--records", "10")
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


def directory_deleted_in_part_keeps_nobody_out(t):
    """As when a child joins while somebody deletes it: its segment stays, and with it the directory, without `control`.
    With children that come later, who need the name, and without."""
    for processes in (2, 0):
        producer = t.produce("--first", 5, "--processes", processes, "--threads", 2, "--records", 200,
                             "--delay-ms", 300)
        t.wait_for_calls(5)
        for path in files_below(t.ring_dir):
            if os.path.isfile(path) and not os.path.basename(path).startswith("seg"):
                os.remove(path)
        producer.wait()
        t.wait_until_gone()
        found = t.check_log()
        check(found["lost"] == 0, found)
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
    shutil.rmtree(strange)
    recover(t, "--dry-run")
    check(os.path.exists(os.path.dirname(strange)), "a dry run has changed something")
    recover(t)
    check(t.leftovers() == [], t.leftovers())


def setup_that_is_killed_leaves_nothing_for_long(t):
    leftovers = 0
    for turn in range(t.size(15, 1000)):
        program = t.produce("--name", f"p.{turn}", "--records", 3)
        time.sleep(t.random.random() * 0.006)
        kill_everything(t)
        program.wait(status=None)
        leftovers += len(files_below(t.ring_dir)) > 0
    then = time.time() - OLD
    for path in files_below(t.ring_dir):
        if ".new-" in path or ".gone-" in path:  # a short program may have ended, and its collector be deleting
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
    session = t.sessions()[0]
    t.produce("--name", "next", "--records", 10).wait()
    t.wait_until_gone()
    shutil.rmtree(session)
    os.rmdir(os.path.join(t.ring_dir, f"mplog-{os.geteuid()}"))


CASES = (
    setup_that_is_killed_leaves_nothing_for_long, next_setup_recovers_all_that_was_killed,
    recover_writes_all_that_was_killed,
    recover_that_is_killed_is_continued_by_the_next, many_recover_at_once_and_only_one_writes,
    recover_without_standard_descriptors_does_not_write_into_the_log,
    several_sessions_on_one_file_are_recovered_in_their_order, truncation_at_setup_comes_after_recovery,
    other_files_wait_for_their_own_setup, recover_into_a_pipe_says_that_nobody_reads_it_and_waits_for_who_does,
    session_without_a_file_is_removed_by_the_next_setup,
    living_sessions_are_not_touched, collector_that_lives_is_not_touched,
    member_that_was_killed_in_a_living_session_is_left_to_it, session_of_an_earlier_boot_has_no_living_process,
    pid_that_was_given_to_another_process_is_not_a_member, dead_pid_namespace_is_recovered_from_outside,
    living_pid_namespace_is_not_touched_from_outside, directory_deleted_under_running_members_loses_nothing,
    directory_deleted_in_part_keeps_nobody_out, incomplete_directories_are_removed,
    session_of_another_version_is_named,
)
