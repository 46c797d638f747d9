# SPDX-License-Identifier: Unlicense
"""Where logging cannot work as it should: system calls that a filter refuses, no descriptors, no processes. A helper,
else a thread, else stderr, with a line that says why; the program runs on."""
import errno
import os
import re
import shutil
import struct
import subprocess

from cases_recover import forget_round, leave_backlog
from support import Skip, check

LINES = 100
CALLS = ("memfd_create", "membarrier", "futex", "openat", "clone", "clone3", "clone,clone3", "execve", "fallocate",
         "ftruncate", "fcntl", "pidfd_open", "getrandom", "mkdirat", "renameat,renameat2", "unlinkat", "readlinkat",
         "setsid", "prctl", "madvise", "fdatasync", "pread64", "pwrite64", "getdents64", "flock", "writev", "ppoll",
         "statx", "sched_setaffinity", "rt_sigaction", "prlimit64", "faccessat", "wait4", "fchmod", "eventfd2")
QUICK_CALLS = ("memfd_create", "membarrier", "futex", "openat", "clone", "clone,clone3", "execve", "fallocate", "fcntl",
               "pidfd_open", "renameat,renameat2")


def run(t, *arguments, **options):
    """How the program fared: "helper", "thread" or "stderr"; all lines must be somewhere."""
    program = t.start(t.bench.deny, *arguments, *t.options(**options))
    program.may_complain = True
    program.wait(timeout=30, status=None)
    if program.process.returncode == 77:
        raise Skip("no filters, or no rights to give up")
    values, stderr, log = program.values(), program.stderr(), t.read_log()
    what = (arguments, values, stderr[-600:], log[-300:])
    check(program.process.returncode == 0 and values.get("end") == "1", "the program did not run on:", *what)
    lines = [line for i in range(LINES) for line in (f"line {i}\n",) if line in log or line in stderr]
    check(len(lines) == LINES or "lost" in log, len(lines), "of", LINES, "lines are there;", *what)
    check(values["child"] == "0" or "child\n" in log + stderr or "lost" in log, "the child's line is missing;", *what)
    if values["rc"] != "0":
        check(len(values["error"]) > 10 and stderr.count("logging cannot be started") <= 2, *what)
    for path in (t.log, t.tally_path):
        if os.path.exists(path):
            os.remove(path)
    subprocess.run([t.bench.helper, "recover"], env=t.env, check=False, capture_output=True)
    t.wait_until_gone(10)
    shutil.rmtree(t.ring_dir)  # what the refused calls could not delete
    os.mkdir(t.ring_dir)
    os.chmod(t.ring_dir, 0o777)
    return "stderr" if values["rc"] != "0" else "thread" if "a thread of this process" in log else "helper"


def refused_system_calls_harm_nobody(t):
    fared = {}
    for names in CALLS if t.bench.is_long else QUICK_CALLS:
        for error in (errno.EPERM, errno.ENOSYS):
            fared.setdefault(run(t, error, names), set()).add(names)
    for way, names in sorted(fared.items()):
        t.note(f"{way}: {' '.join(sorted(names))}")


def few_descriptors_harm_nobody(t):
    fared = {}
    for count in range(0, 40) if t.bench.is_long else (0, 1, 2, 3, 5, 8, 12, 20, 40):
        fared.setdefault(run(t, "nofile", count), []).append(count)
    t.note(f"descriptors that were left: {fared}")
    check("stderr" in fared and "helper" in fared, fared)


def user_without_processes_logs_all_the_same(t):
    if os.geteuid() != 0:
        raise Skip("no rights to give up")
    helper = os.path.join(t.dir, "mplog")
    shutil.copy(t.bench.helper, helper)
    t.env["MPLOG_HELPER"] = helper
    os.chmod(t.log_dir, 0o777)
    os.chmod(t.ring_dir, 0o777)
    t.note(f"it fared by {run(t, 'nproc', 0)}")


def helper_that_cannot_be_executed_is_replaced_by_a_thread(t):
    broken = os.path.join(t.dir, "mplog")
    with open(broken, "w", encoding="utf-8") as f:
        f.write("no program\n")
    os.chmod(broken, 0o755)
    t.env["MPLOG_HELPER"] = broken
    program = t.start(t.bench.deny, errno.EPERM, "eventfd2", *t.options()).wait()
    log = t.read_log()
    check(program.values()["rc"] == "0" and log.count("line ") == LINES, log[:300])
    check(log.count("no helper process could be started, a thread of this process writes the log: "
                    f"helper: {broken}: Exec format error\n") == 1, log[:300])


def missing_helper_is_told_with_its_own_reason(t):
    """Not with that of what the set-up has met besides: a session of another version that was left behind."""
    leave_backlog(t, 10)
    session = t.sessions()[0]
    with open(os.path.join(session, "control"), "r+b") as f:
        f.seek(4)
        f.write(struct.pack("<I", 999))
    forget_round(t)
    alone = os.path.join(t.dir, "alone")  # no helper lies beside it
    shutil.copy(t.bench.producer, alone)
    env = {key: value for key, value in t.env.items() if key != "MPLOG_HELPER"}
    t.start(alone, "--tally", t.tally_path, "--records", 10, *t.options(), env=env).wait()
    told = re.findall(r"no helper process could be started, .* writes the log: (.*)", t.read_log())
    if not told:
        raise Skip("an mplog is installed on this machine")
    check(len(told) == 1 and told[0].startswith("helper: the mplog command is not beside the library"), told)
    t.wait_until_gone()
    shutil.rmtree(session)
    os.rmdir(os.path.dirname(session))


def run_zero(t, mounts):
    """A program that only logs, to stderr, where some file systems are replaced."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no mount namespaces")
    env = {key: value for key, value in t.env.items() if key not in ("MPLOG_RING_DIR", "XDG_RUNTIME_DIR")}
    program = t.start("unshare", "-m", "sh", "-c", f"{mounts} '{t.bench.special}' zero", env=env).wait()
    program.may_complain = True
    return program.stderr().splitlines()


def missing_shared_memory_is_replaced_by_another_directory(t):
    lines = run_zero(t, "mount -t tmpfs -o ro tmpfs /dev/shm && mount -t tmpfs -o size=8m tmpfs /run &&")
    check([line.split("] ")[-1] for line in lines] == ["zero info", "zero warning", "zero error", "text info",
                                                        "text critical"], lines)


def read_only_file_systems_leave_stderr(t):
    lines = run_zero(t, "mount -t tmpfs -o ro tmpfs /dev/shm && mount --bind /tmp /tmp && "
                        "mount -o remount,ro,bind /tmp &&")
    check(len(lines) == 4 and lines[0].startswith("mplog: logging cannot be started: "), lines)
    check(lines[1:] == ["zero warning", "zero error", "text critical"], lines)


CASES = (
    missing_shared_memory_is_replaced_by_another_directory, read_only_file_systems_leave_stderr,
    refused_system_calls_harm_nobody, few_descriptors_harm_nobody, user_without_processes_logs_all_the_same,
    helper_that_cannot_be_executed_is_replaced_by_a_thread, missing_helper_is_told_with_its_own_reason,
)
