# SPDX-License-Identifier: Unlicense
"""How processes come into being: fork, bare clone, vfork, exec, daemons; and which session they belong to."""
import os
import re
import subprocess
import time

from support import check, files_below, processes_naming, read_bytes, wait_until


def fork_storm_of_a_busy_parent_loses_nothing(t):
    producer = t.produce("--threads", 8, "--records", 4000, "--storm", 300, "--storm-records", 20, "--hold-ms", 300)
    t.wait_for_calls(38_000, 30)
    wait_until(lambda: sum("/seg" in path for path in files_below(t.ring_dir)) == 1, 1, "the dead's segments are gone")
    check(producer.process.poll() is None, "the parent has ended before: nothing was tested")
    producer.wait()
    found = t.check_log()
    check(found["payloads"] == 8 * 4000 + 300 * 20 and found["producers"] == 308, found)


def fork_storm_with_collector_thread_loses_nothing(t):
    t.produce("--threads", 4, "--records", 2000, "--storm", 100, "--storm-records", 20,
              mplog={"collector": "thread"}).wait(60)
    check(t.check_log()["payloads"] == 4 * 2000 + 100 * 20)


def grandchildren_lose_nothing(t):
    t.produce("--first", 10, "--processes", 5, "--records", 200, "--grandchildren", 5).wait()
    check(t.check_log()["payloads"] == 10 + 5 * 200 + 25 * 200)


def bare_clone_is_noticed(t):
    t.produce("--first", 10, "--birth", "clone", "--processes", 6, "--records", 200, "--grandchildren", 2).wait()
    check(t.check_log()["payloads"] == 10 + 6 * 200 + 12 * 200)


def watch_sessions(t, running):
    """All sessions and collectors that there were while it ran."""
    sessions, collectors = set(), set()
    while running.process.poll() is None:
        sessions.update(t.sessions())
        collectors.update(t.collectors())
        time.sleep(0.005)
    running.wait()
    return len(sessions), len(collectors)


def spawned(t, *arguments, mplog=()):
    """Arguments of the program that a producer starts."""
    return ["--name", "q", "--tally", t.tally_path, "--records", 50, "--hold-ms", 100, *arguments, *mplog]


def check_spawned_joins(t, how, *arguments, mplog=()):
    producer = t.produce("--first", 50, "--records", 50, "--spawn", how, *spawned(t, *arguments, mplog=mplog))
    seen = watch_sessions(t, producer)
    check(seen == (1, 1), "sessions, collectors:", seen)
    check(t.check_log()["payloads"] == 150)


def program_started_directly_joins(t):
    check_spawned_joins(t, "direct", "--setup", "none")


def program_started_by_vfork_joins(t):
    check_spawned_joins(t, "vfork", "--setup", "none")


def check_counted(t, count, *texts):
    """Each text with each number, in order, and nothing besides."""
    for text in texts:
        numbers = [int(number) for number in re.findall(r" %s (\d+)$" % text, t.read_log(), re.MULTILINE)]
        check(numbers == list(range(count)), text, len(numbers), "lines; the log ends", t.read_log()[-500:])
    check(len(t.read_log().splitlines()) == count * len(texts), t.read_log()[-500:])


def program_that_executes_another_in_its_place_loses_nothing(t):
    """Its memory goes without a word; the new program, the same process, joins."""
    count = t.size(20000, 500000)
    t.special("replaced", count).wait(30)
    t.wait_until_gone()
    check_counted(t, count, "before", "after")


def program_that_gives_up_its_rights_logs_on(t):
    """In another root and as another user it finds neither the session nor the log; what it has mapped is enough."""
    count, root = t.size(20000, 100000), os.path.join(t.dir, "root")
    os.mkdir(root)
    os.chmod(root, 0o755)
    t.special("confined", count, root).wait(30)
    t.wait_until_gone()
    check_counted(t, count, "before", "after", "thread")
    check(os.listdir(root) == [], os.listdir(root))


def program_started_by_a_shell_joins(t):
    check_spawned_joins(t, "shell", "--setup", "none")


def program_started_without_environment_joins(t):
    check_spawned_joins(t, "empty", "--setup", "none")


def program_started_by_a_shell_without_environment_joins(t):
    check_spawned_joins(t, "shell-empty", "--setup", "none")


def program_whose_parents_have_gone_joins(t):
    """Nobody is left to ask; the environment tells, as long as another member keeps the session."""
    other = t.produce("--name", "child", "--processes", 1, "--records", 1, "--hold-ms", 800, "--detach", 1,
                      "--spawn", "orphan", *spawned(t, "--setup", "none"))
    other.wait(2)
    sessions = set()
    while t.returned() < 51 or processes_naming(t.dir, t.ring_dir):
        sessions.update(t.sessions())
        time.sleep(0.005)
    check(len(sessions) == 1, "sessions:", sessions)
    check(t.check_log()["payloads"] == 51)


def program_whose_session_has_gone_creates_it_again(t):
    t.produce("--first", 50, "--records", 50, "--spawn", "orphan", *spawned(t, "--setup", "none"),
              mplog={"file_mode": "w"}).wait(2)
    t.wait_for_calls(150)  # the orphan begins when all others have gone
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 150)


def session_that_is_brought_back_ends_with_its_program(t):
    """By a name that nobody has had before; the collector has hardly begun when the program is over."""
    parent = os.path.join(t.ring_dir, f"mplog-{os.geteuid()}")
    count = t.size(10, 100)
    for collector in ("", "collector=thread;", f"helper={t.bench.helper};", "helper=/nonexistent;"):
        for i in range(count):
            os.makedirs(parent, 0o700, exist_ok=True)
            value = f"dir={parent}/{i:032x};level=20;log_file={t.log};log_to_stderr=false;{collector}"
            t.start(t.bench.special, "zero", env={**t.env, "MPLOG_SESSION": value}).wait()
            t.wait_until_gone()
        log = t.read_log()
        check(log.count("zero info") == count and log.count("text critical") == count, collector, log)
        os.remove(t.log)


def program_that_names_the_same_file_joins(t):
    check_spawned_joins(t, "direct", "--setup", "main", mplog=t.options())


def program_that_names_no_file_joins(t):
    check_spawned_joins(t, "direct", "--setup", "main", mplog=["level=DEBUG"])


def program_that_names_another_file_has_a_session_of_its_own(t):
    other = os.path.join(t.log_dir, "other.log")
    producer = t.produce("--first", 50, "--records", 50, "--spawn", "direct",
                         *spawned(t, "--setup", "main", mplog=t.options(log_file=other)))
    seen = watch_sessions(t, producer)
    check(seen == (2, 2), "sessions, collectors:", seen)
    mine, theirs = t.expectations(names=["p."]), t.expectations(names=["q."])
    check(t.ask_oracle("--expect-file", mine, files=[t.log])["payloads"] == 100)
    check(t.ask_oracle("--expect-file", theirs, files=[other])["payloads"] == 50)


def daemons_that_log_later_append_to_the_file(t):
    wait = t.size(2000, 5000)
    starter = t.produce("--first", 30, "--processes", 4, "--records", 100, "--detach", 1, "--delay-ms", wait,
                        mplog={"file_mode": "w"})
    starter.wait(2)
    time.sleep(wait / 1000 / 2)
    check(not t.collectors() and not t.sessions(), "the session is still there without members")
    t.wait_for_calls(430, wait / 1000 + 5)
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 430)


def daemon_that_logs_at_once_goes_on(t):
    t.produce("--first", 30, "--processes", 4, "--records", 300, "--rate", 1000, "--detach", 1).wait(2)
    t.wait_for_calls(1230)
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 1230)


def check_capture(t, redirection, **options):
    """Shell: x=$(program that starts a daemon)."""
    arguments = [t.bench.special, "captured", "1500", *t.options(log_to_stderr="true", **options)]
    program = " ".join(f"'{a}'" for a in arguments)
    began = time.monotonic()
    done = subprocess.run(["/bin/sh", "-c", f"x=$({program} {redirection}); echo \"$x\""], env=t.env, check=True,
                          capture_output=True, text=True)
    took = time.monotonic() - began
    t.note(f"captured after {took:.3f} s")
    check(took < 1, "the capture took", took, "s")
    check("daemon ends" not in t.read_log(), "the daemon has ended already: nothing was tested")
    check("started" in done.stdout, done)
    check("starter" in (done.stdout if redirection else done.stderr), done)
    t.wait_until_gone(3)
    check([word in t.read_log() for word in ("starter", "daemon starts", "daemon ends")] == [True] * 3, t.read_log())


def capture_of_stdout_ends_with_the_starter(t):
    check_capture(t, "")


def capture_of_stderr_ends_with_the_starter(t):
    check_capture(t, "2>&1")


def capture_of_what_a_collector_thread_writes_ends_with_the_starter(t):
    """Its descriptors are copied into the daemon, which logs, or does not."""
    check_capture(t, "2>&1", collector="thread")
    program = " ".join(f"'{a}'" for a in [t.bench.special, "silent", "1500",
                                          *t.options(log_to_stderr="true", collector="thread")])
    began = time.monotonic()
    subprocess.run(["/bin/sh", "-c", f"x=$({program} 2>&1)"], env=t.env, check=True)
    check(time.monotonic() - began < 1, "the capture waited for a daemon that never logs")
    t.wait_until_gone(3)


def record_behind_the_end_of_a_collector_thread_is_written_at_once(t):
    """Its process has shut down; what it had promised to the other member does not keep that from starting another."""
    for turn in range(t.size(5, 100)):
        program = t.special("leave", mplog={"collector": "thread", "file_mode": "w"})
        program.wait_for_done(5)
        wait_until(lambda: "behind" in t.read_log(), 1, f"the record of turn {turn}: {t.read_log()}")
        program.wait()


def files_are_closed_to_other_users(t):
    """In the default place, with a umask that would allow everything."""
    env = {key: value for key, value in t.env.items() if key != "MPLOG_RING_DIR"}
    producer = t.produce("--records", 20, "--hold-ms", 300, env=env, preexec_fn=lambda: os.umask(0))
    t.wait_for_calls(20)
    parent = f"/dev/shm/mplog-{os.geteuid()}"
    mine = [entry for entry in os.scandir(parent)
            if os.fsencode(t.log) in read_bytes(os.path.join(entry.path, "options"))]
    check(len(mine) == 1, "sessions of this test:", mine)
    modes = {path: os.stat(path).st_mode & 0o777 for path in
             [parent, mine[0].path, *(entry.path for entry in os.scandir(mine[0].path))]}
    wrong = {path: oct(mode) for path, mode in modes.items() if mode != (0o700 if os.path.isdir(path) else 0o600)}
    check(len(modes) > 4 and not wrong, modes, wrong)
    producer.wait()
    deadline = time.monotonic() + 1.5
    while os.path.exists(mine[0].path) and time.monotonic() < deadline:
        time.sleep(0.01)
    check(not os.path.exists(mine[0].path), "left behind:", mine[0].path)
    t.check_log()


CASES = (
    fork_storm_of_a_busy_parent_loses_nothing, fork_storm_with_collector_thread_loses_nothing,
    grandchildren_lose_nothing, bare_clone_is_noticed,
    program_that_executes_another_in_its_place_loses_nothing, program_that_gives_up_its_rights_logs_on,
    program_started_directly_joins, program_started_by_vfork_joins, program_started_by_a_shell_joins,
    program_started_without_environment_joins, program_started_by_a_shell_without_environment_joins,
    program_whose_parents_have_gone_joins, program_whose_session_has_gone_creates_it_again,
    session_that_is_brought_back_ends_with_its_program,
    program_that_names_the_same_file_joins, program_that_names_no_file_joins,
    program_that_names_another_file_has_a_session_of_its_own, daemons_that_log_later_append_to_the_file,
    daemon_that_logs_at_once_goes_on, capture_of_stdout_ends_with_the_starter, capture_of_stderr_ends_with_the_starter,
    capture_of_what_a_collector_thread_writes_ends_with_the_starter,
    record_behind_the_end_of_a_collector_thread_is_written_at_once,
    files_are_closed_to_other_users,
)
