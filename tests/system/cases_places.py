# SPDX-License-Identifier: Unlicense
"""Programs in odd places: a working directory that has gone, no home, an odd locale, any umask. Set-up, log calls,
rotation and children do as ever."""
import os
import stat
import subprocess

from support import Skip, check, files_below

ROTATED = {"max_bytes": 100_000, "backup_count": 50}
CALLS = 2 * 2 * 2000
TURKISH = "tr_TR.ISO-8859-9"  # a decimal comma, and an "I" that is no capital "i"


def check_all(t, calls=CALLS):
    t.wait_until_gone()
    found = t.check_log()
    check(found["payloads"] == calls and found["lost"] == 0, found)
    check(os.path.exists(t.log + ".1"), "the log was never rotated")


# ---- working directories ----

def start_where_nothing_is(t, program, *arguments):
    """In a directory that has been removed before the program begins."""
    gone = os.path.join(t.dir, "gone")
    words = " ".join(f"'{word}'" for word in (program, *arguments))
    there = f"mkdir '{gone}' && cd '{gone}' && rmdir '{gone}'"
    return t.start("sh", "-c", f"{there} && ls -l /proc/self/cwd && exec {words}")


def working_directory_that_is_removed_before_set_up_disturbs_nobody(t):
    arguments = ["--processes", 2, "--threads", 2, "--records", 2000, "--tally", t.tally_path]
    program = start_where_nothing_is(t, t.bench.producer, *map(str, arguments), *t.options(**ROTATED))
    program.wait()
    check("(deleted)" in program.stdout(), program.stdout())
    check_all(t)


def relative_path_where_nothing_is_is_refused(t):
    program = start_where_nothing_is(t, t.bench.producer, "log_file=app.log", "--tally", t.tally_path)
    program.may_complain = True
    program.wait(status=111)
    words = ("log_file", '"app.log"', "the working directory cannot be found", "No such file")
    check(all(word in program.stderr() for word in words), program.stderr())


def working_directory_that_is_removed_after_set_up_disturbs_nobody(t):
    """Also where the log was named from it, and for children that are forked, or that execute a program, when it has
    gone."""
    folder = os.path.join(t.dir, "gone")
    os.mkdir(folder)
    program = t.produce("--first", 1, "--processes", 2, "--threads", 2, "--records", 2000, "--delay-ms", 300,
                        "--spawn", "direct", "--name", "executed", "--tally", t.tally_path, "--setup", "none",
                        "--records", 500, mplog={**ROTATED, "log_file": "../log/app.log"}, cwd=folder)
    at = os.readlink(f"/proc/{t.wait_for_collector()}/cwd")
    check(at == "/", "the collector keeps", at, "from being unmounted")
    os.rmdir(folder)
    before = t.returned()
    program.wait()
    check(before < CALLS, "all had logged before it was removed")
    check_all(t, CALLS + 501)


# ---- homes, locales ----

def make_locale(t):
    """Debian has the sources of locales, and hardly any machine has them all compiled."""
    folder = os.path.join(t.dir, "locales")
    os.mkdir(folder)
    try:
        made = subprocess.run(["localedef", "-i", "tr_TR", "-f", "ISO-8859-9", os.path.join(folder, TURKISH)],
                              capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise Skip("no localedef") from None
    if made.returncode != 0:
        raise Skip("no sources of locales: " + made.stderr)
    return folder


def homes_and_locales_make_no_difference(t):
    turkish = {"LOCPATH": make_locale(t), "LC_ALL": TURKISH}
    for change in ({"HOME": "/nonexistent"}, {"HOME": ""}, {"LC_ALL": "xx_YY.bogus"}, turkish,
                   {**turkish, "MPLOG_COLLECTOR": "thread"}):
        env = {**t.env, **change}
        program = t.start(t.bench.places, "LOG_TO_STDERR=FALSE", f"log_file={t.log}", "LEVEL=info", "max_bytes=1MIB",
                          "format_string=%(levelname)s %(message)s", env=env).wait()
        is_turkish = "LOCPATH" in change
        check(program.values()["comma"] == str(int(is_turkish)), change, program.values())
        check(t.read_log() == "INFO 1234.50 3.14159 1e+06 I\nINFO 0.25\n", change, t.read_log())
        os.remove(t.log)


# ---- umask ----

def modes_below(folder):
    return {stat.S_IMODE(os.stat(path).st_mode) for path in files_below(folder) if not os.path.isdir(path)}


def umask_is_for_the_log_and_not_for_what_is_shared(t):
    for mask in (0, 0o022, 0o077, 0o777):
        program = t.produce("--first", 1, "--threads", 2, "--records", 2000, "--rate", 20_000, mplog=ROTATED,
                            preexec_fn=lambda mask=mask: os.umask(mask))
        t.wait_for_calls(100)
        folders = {stat.S_IMODE(os.stat(path).st_mode) for path in files_below(t.ring_dir) if os.path.isdir(path)}
        check(modes_below(t.ring_dir) == {0o600} and folders == {0o700}, oct(mask), modes_below(t.ring_dir), folders)
        program.wait()
        check_all(t, 4001)
        check(modes_below(t.log_dir) == {0o666 & ~mask}, oct(mask), {oct(mode) for mode in modes_below(t.log_dir)})
        for path in files_below(t.log_dir):
            os.remove(path)
        os.remove(t.tally_path)


CASES = (
    working_directory_that_is_removed_before_set_up_disturbs_nobody, relative_path_where_nothing_is_is_refused,
    working_directory_that_is_removed_after_set_up_disturbs_nobody, homes_and_locales_make_no_difference,
    umask_is_for_the_log_and_not_for_what_is_shared,
)
