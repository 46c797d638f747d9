# SPDX-License-Identifier: Unlicense
"""Set-up and its failures, shutdown, levels, and what others do to the log file."""
import os
import re
import shutil
import time

from support import LEFT_WITHIN, check, files_below, wait_until

NOBODY = 65534

DEFAULT_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} (DEBUG|INFO|WARNING|ERROR|CRITICAL) +(\S+) "
                          r"\[special:\d+ main\] (.*)")


# ---- failures ----

def check_setup_fails(t, error, words, environment=(), arguments=(), **options):
    """-errno, a sentence with these words in it, and nothing left behind."""
    before = sorted(files_below(t.log_dir))
    program = t.special("setup", *arguments, mplog=options, env={**t.env, **dict(environment)})
    values = program.wait().values()
    what = (options, dict(environment), values)
    check(values["rc"] == str(-error), what, "instead of", -error)
    check(values["is_setup"] == "0", what)
    missing = [word for word in words if word not in values["error"]]
    check(not missing, what, "missing:", missing)
    check(sorted(files_below(t.log_dir)) == before, "files:", before, files_below(t.log_dir))
    t.check_nothing_left()


def wrong_values_are_refused_by_name_value_and_reason(t):
    for option, value, reason in (
            ("format_string", "%(nonsense)s", ""), ("format_string", "%(message)q", ""),
            ("format_string", "%(message", ""), ("file_encoding", "klingon", ""), ("file_mode", "x", '"a"'),
            ("overflow", "maybe", '"block"'), ("ring_max_bytes", "10", "between"),
            ("escape", "some", '"control"'), ("collector", "nobody", '"helper"'), ("fsync", "often", '"never"'),
            ("max_bytes", "-1", "negative"), ("backup_count", "-2", "negative"), ("block_timeout_ms", "-3", "negative"),
            ("ring_max_bytes", "-4", "negative"), ("ring_budget_bytes", "-5", "negative")):
        shown = value.lstrip("%(").rstrip(")sq") if option == "format_string" else value
        check_setup_fails(t, 22, (option, shown, reason), **{option: value})


def wrong_environment_is_refused_by_variable_value_and_reason(t):
    nowhere = os.path.join(t.dir, "nowhere", "app.log")
    for variable, value, error in (
            ("MPLOG_LEVEL", "loud", 22), ("MPLOG_MAX_BYTES", "many", 22), ("MPLOG_MAX_BYTES", "-1", 22),
            ("MPLOG_BACKUP_COUNT", "1.5", 22), ("MPLOG_BACKUP_COUNT", "2000000000", 22),
            ("MPLOG_OVERFLOW", "maybe", 22), ("MPLOG_LOG_TO_STDERR", "perhaps", 22), ("MPLOG_FSYNC", "often", 22),
            ("MPLOG_COLLECTOR", "nobody", 22), ("MPLOG_HELPER", nowhere, 22), ("MPLOG_FILE_ENCODING", "klingon", 22),
            ("MPLOG_FORMAT_STRING", "%(nonsense)s", 22), ("MPLOG_RING_MAX_BYTES", "10", 22),
            ("MPLOG_RING_BUDGET_BYTES", "10", 22), ("MPLOG_BLOCK_TIMEOUT_MS", "-1", 22),
            ("MPLOG_LOG_FILE", nowhere, 2), ("MPLOG_RING_DIR", nowhere, 2), ("MPLOG_CRASH_HANDLER", "x", 22)):
        shown = "nonsense" if variable == "MPLOG_FORMAT_STRING" else value
        check_setup_fails(t, error, (f"environment variable {variable}: ", shown),
                          environment={variable: value}.items())


def missing_directory_is_refused(t):
    path = os.path.join(t.log_dir, "missing", "app.log")
    check_setup_fails(t, 2, ("log_file", path, "No such file"), log_file=path)


def directory_as_log_file_is_refused(t):
    path = os.path.join(t.dir, "folder")
    os.mkdir(path)
    check_setup_fails(t, 21, ("log_file", path, "directory"), log_file=path)


def missing_ring_dir_is_refused(t):
    path = os.path.join(t.dir, "nowhere")
    check_setup_fails(t, 2, ("ring_dir", path, "No such file"), environment={"MPLOG_RING_DIR": path}.items())


def missing_helper_is_refused(t):
    path = os.path.join(t.dir, "nothing")
    check_setup_fails(t, 22, ("helper", path, "No such file"), environment={"MPLOG_HELPER": path}.items())


def forbidden_directory_and_file_are_refused(t):
    arguments = []
    helper = os.path.join(t.dir, "mplog")  # where that user may execute it
    shutil.copy(t.bench.helper, helper)
    if os.geteuid() == 0:
        arguments = [f"uid={NOBODY}"]
        os.chmod(t.ring_dir, 0o777)
    os.chmod(t.log_dir, 0o555)
    environment = {"MPLOG_HELPER": helper}.items()
    check_setup_fails(t, 13, ("log_file", t.log, "Permission denied"), environment, arguments)
    os.chmod(t.log_dir, 0o755)
    with open(t.log, "w", encoding="utf-8"):
        os.chmod(t.log, 0o444)
    check_setup_fails(t, 13, ("log_file", t.log, "Permission denied"), environment, arguments)


# ---- set-up again and again ----

def check_cycles(t, count, **options):
    program = t.special("cycles", count, mplog=options)
    program.wait_for_done(60)
    wait_until(lambda: not t.sessions() and not t.collectors(), LEFT_WITHIN, "sessions that were left have ended")
    values = program.wait().values()
    before, after = ({kind: int(values[f"{kind}_{when}"]) for kind in ("fds", "threads", "maps")}
                     for when in ("before", "after"))
    t.note(f"{after}")
    few = 10  # mappings that the allocators of the C library or of a sanitizer may add
    is_same = all(before[kind] == after[kind] for kind in ("fds", "threads")) and after["maps"] <= before["maps"] + few
    check(is_same, "after 10 cycles:", before, "after all:", after)
    check(values["session"] == "none", "MPLOG_SESSION is still set:", values["session"])
    check(re.findall(r"cycle (\d+)\n", t.read_log()) == [str(i) for i in range(count)], "cycles in the file")


def setup_and_shutdown_many_times_leave_nothing(t):
    check_cycles(t, t.size(200, 1000))


def setup_and_shutdown_many_times_with_thread_leave_nothing(t):
    check_cycles(t, t.size(200, 1000), collector="thread")


def sessions_that_end_do_not_disturb_a_setup(t):
    """The last one that ends deletes the user's folder, in which the next one is about to be built."""
    parent = os.path.join(t.ring_dir, f"mplog-{os.geteuid()}")
    program = t.special("cycles", 50)
    removals = 0
    while "done" not in program.stdout() and program.process.poll() is None:
        for _ in range(1000):
            try:
                os.rmdir(parent)
                removals += 1
            except OSError:
                pass
    t.note(f"removed {removals} times")
    program.wait_for_done(1)
    program.wait()


def change_of_file_under_load_loses_nothing(t):
    """With other options in the same process: what came before is in the old file, what comes after in the new."""
    count = t.size(20, 200)
    t.special("switch", count, t.tally_path).wait(60)
    t.check_log(files=[f"{t.log}.{i}" for i in range(count)])


# ---- what goes where ----

def after_shutdown_warnings_go_to_stderr(t):
    t.may_complain = True
    program = t.special("last-resort").wait()
    lines = program.stderr().splitlines()
    check(lines == ["after warning", "after error", "text critical"], "stderr:", lines)
    check(program.values()["is_setup"] == "0")
    log = t.read_log()
    for when in ("before", "child-before", "child-after"):
        missing = [level for level in ("info", "warning", "error") if f"{when} {level}" not in log]
        check(not missing, when, "is not in the file:", missing)
    check("after warning" not in log.replace("child-after warning", ""), "what came after shutdown is in the file")


def program_that_only_logs_writes_to_stderr(t):
    t.may_complain = True
    program = t.start(t.bench.special, "zero").wait()
    matches = [DEFAULT_LINE.fullmatch(line) for line in program.stderr().splitlines()]
    check(all(matches), program.stderr())
    found = [(m[1], m[2], m[3]) for m in matches]
    check(found == [("INFO", "test", "zero info"), ("WARNING", "test", "zero warning"), ("ERROR", "test", "zero error"),
                    ("INFO", "test", "text info"), ("CRITICAL", "test", "text critical")], found)


def environment_has_the_last_word_on_levels(t):
    t.may_complain = True
    for level, least in (("DEBUG", "debug"), ("ERROR", "error")):
        program = t.start(t.bench.special, "zero", env={**t.env, "MPLOG_LEVEL": level}).wait()
        shown = re.findall(r"zero (\w+)", program.stderr())
        check(shown[0] == least, level, program.stderr())
    t.special("last-resort", mplog={"level": "DEBUG"}, env={**t.env, "MPLOG_LEVEL": "WARNING"}).wait()
    check("before info" not in t.read_log() and "before warning" in t.read_log(), t.read_log())


def children_have_the_level_of_the_session(t):
    """From their first record on, whether they were forked or executed."""
    for level, least in (("DEBUG", "debug"), ("WARNING", "warning")):
        t.special("heirs", mplog={"level": level, "file_mode": "w"}).wait()
        shown = {when: re.findall(when + r" (\w+)", t.read_log()) for when in ("forked", "zero")}
        check([words[:1] for words in shown.values()] == [[least]] * 2, level, shown)


def program_with_a_wrong_environment_still_shows_warnings(t):
    t.may_complain = True
    program = t.start(t.bench.special, "zero", env={**t.env, "MPLOG_LEVEL": "loud"}).wait()
    lines = program.stderr().splitlines()
    check(lines[0].startswith("mplog: ") and "MPLOG_LEVEL" in lines[0] and "loud" in lines[0], lines)
    check(lines[1:] == ["zero warning", "zero error", "text critical"], lines)


def session_wide_level_reaches_a_running_process(t):
    program = t.special("levels").wait()
    check("error" not in program.values(), program.stdout())
    log = t.read_log()
    for words, is_there in (("quiet-first part debug", False), ("quiet-first other info", True),
                            ("raised part debug", True), ("raised other debug", False), ("raised other info", True),
                            ("quiet-again part debug", False), ("quiet-again other info", True),
                            ("local other info", False)):
        check((words in log) == is_there, words, "is", "missing" if is_there else "there")


# ---- what others do to the file ----

def check_file_survives(t, harm, *oracle_files, is_lossless=False):
    """`harm` happens to the file under load. A second later nothing is lost any more."""
    producer = t.produce("--processes", 2, "--threads", 2, "--rate", 1000, "--records", 2400)
    t.wait_for_calls(1200)
    harm()
    time.sleep(1)
    after = {name: returned for name, (returned, _) in t.tallies().items()}
    check(min(after.values()) < 2300, "the producers were too fast: nothing was tested", after)
    producer.wait()
    found = t.ask_oracle("--expect-file", t.expectations(), files=oracle_files or [t.log], may_fail=True)
    t.note(f"{found['lost']} lost, {found['doubled']} doubled, {found['torn']} torn")
    check(found["torn"] == found["doubled"] == found["out_of_order"] == found["unexpected"] == 0, found)
    check(found["lost"] == 0 or not is_lossless, found)
    there = set(re.findall(r"#(\S+ \d+) ", t.read_log()))
    missing = [f"{name} {i}" for name, first in after.items() for i in range(first, 2400) if f"{name} {i}" not in there]
    check(not missing, len(missing), "messages are missing a second later, such as", missing[:3])


def log_file_that_is_moved_is_opened_anew(t):
    other = os.path.join(t.log_dir, "other.log")
    check_file_survives(t, lambda: os.rename(t.log, other), other, t.log, is_lossless=True)


def log_file_that_is_replaced_is_opened_anew(t):
    """As logrotate does: another file is there at once."""
    other = os.path.join(t.log_dir, "other.log")

    def harm():
        os.rename(t.log, other)
        with open(t.log, "x", encoding="utf-8"):
            pass
    check_file_survives(t, harm, other, t.log, is_lossless=True)


def log_file_that_is_deleted_is_created_anew(t):
    def harm():
        os.remove(t.log)
        wait_until(lambda: os.path.exists(t.log), 1, "a new file")
    check_file_survives(t, harm)


def log_file_that_is_truncated_is_continued(t):
    check_file_survives(t, lambda: os.truncate(t.log, 0))
    check(b"\0" not in open(t.log, "rb").read(1000), "a hole at the beginning")


CASES = (
    wrong_values_are_refused_by_name_value_and_reason, wrong_environment_is_refused_by_variable_value_and_reason,
    missing_directory_is_refused, directory_as_log_file_is_refused, missing_ring_dir_is_refused,
    missing_helper_is_refused, forbidden_directory_and_file_are_refused, setup_and_shutdown_many_times_leave_nothing,
    setup_and_shutdown_many_times_with_thread_leave_nothing, sessions_that_end_do_not_disturb_a_setup,
    change_of_file_under_load_loses_nothing, after_shutdown_warnings_go_to_stderr,
    program_that_only_logs_writes_to_stderr, environment_has_the_last_word_on_levels,
    children_have_the_level_of_the_session, program_with_a_wrong_environment_still_shows_warnings,
    session_wide_level_reaches_a_running_process,
    log_file_that_is_moved_is_opened_anew, log_file_that_is_replaced_is_opened_anew,
    log_file_that_is_deleted_is_created_anew, log_file_that_is_truncated_is_continued,
)
