# SPDX-License-Identifier: Unlicense
"""What surrounds a program: signals to all of its processes at once, other interpreters, a directory that has gone, no
home, an odd locale, any umask. Nothing is lost, and nothing says anything."""
import os
import signal
import subprocess
import sys

import support
import tally
from support import Folder, case, equal, program, test, true

V = sys.version_info
ORACLE = os.path.join(os.path.dirname(support.FOLDER), "tests", "oracle", "oracle")

# ---- signals to a whole group ----

WORKERS = 2
GROUP = support.SETUP + """
import multiprocessing, resource, signal
import tally
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
tallies, way, method = sys.argv[1:]
def leave(*_):
    sys.exit(3)
def work(prefix):
    if way == "told":
        signal.signal(signal.SIGTERM, leave)
    log, t = get_logger("w"), tally.Tally(tallies, prefix)
    try:
        while True:
            t.log(log)
            time.sleep(0.0002)
    except (KeyboardInterrupt, SystemExit):
        t.log(log)
        raise
if __name__ == "__main__":
    setup()
    context = multiprocessing.get_context(method)
    workers = [context.Process(target=work, args=("w%d" % i,)) for i in range(2)]
    for worker in workers:
        worker.start()
    try:
        work("m")
    finally:
        for worker in workers:
            worker.join()
        get_logger("m").info("codes %s", [worker.exitcode for worker in workers])
"""


def calls_at_least(tallies, least):
    counts = tally.read(tallies)
    return len(counts) == WORKERS + 1 and all(count >= least for count in counts.values())


def run_group(folder, number, way, method):
    """Its exit status and what it said; the signal comes when all have logged a while."""
    tallies = folder.file("tallies")
    os.mkdir(tallies)
    with open(folder.file("group.py"), "w") as f:
        f.write(GROUP)
    environment = support.environment(MPLOG_RING_DIR=folder.rings)
    environment["PYTHONPATH"] += os.pathsep + support.HERE
    with open(folder.file("err"), "w+") as err:
        main = subprocess.Popen([sys.executable, "group.py", tallies, way, method], cwd=folder.path, env=environment,
                                stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True)
        try:
            support.wait_until(lambda: calls_at_least(tallies, 100), "three processes that log", 30)
            os.killpg(main.pid, number)
            main.wait(support.TIMEOUT_S)
            support.wait_until(lambda: not alive_in(main.pid), "processes of the group are left")
        finally:
            if alive_in(main.pid):
                os.killpg(main.pid, signal.SIGKILL)
            main.wait()
        err.seek(0)
        return main.returncode, err.read()


def alive_in(group):
    """Processes of the group; zombies only wait for init."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/stat" % pid) as f:
                state, _, its_group = f.read().rpartition(") ")[2].split()[:3]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(its_group) == group and state not in "ZX":
            found.append(int(pid))
    return found


def check_group(number, way, method, status):
    with Folder() as folder:
        found_status, said = run_group(folder, number, way, method)
        equal(found_status, status, said)
        true(way != "killed" or said == "", said)
        support.wait_until(lambda: not support.sessions_left(folder), "a session is left")
        counts = tally.read(folder.file("tallies"))
        killed = {int(name.split(".")[1]) for name in counts}
        found, text = tally.judge(ORACLE, counts, folder.file("app.log"), killed)
        equal([found[key] for key in ("status", "lost", "torn", "doubled", "out_of_order")], [0] * 5, text)
        true(way == "killed" or "codes [" in folder.lines("app.log")[-1], folder.lines("app.log")[-3:])


SIGNALS = [("SIGINT", "interrupted", -signal.SIGINT if V >= (3, 8) else 1), ("SIGTERM", "told", 3)]
if support.IS_LONG or sys.executable.startswith("/usr/bin/"):  # versions do not differ in how they are killed
    SIGNALS += [("SIG" + end, "killed", -getattr(signal, "SIG" + end)) for end in ("TERM", "HUP", "QUIT", "KILL")]
for group_signal, group_way, group_status in SIGNALS:
    case(check_group, getattr(signal, group_signal), group_way, "fork", group_status,
         name="%s_to_a_whole_group_that_is_%s_by_it_loses_nothing" % (group_signal, group_way))
case(check_group, signal.SIGINT, "interrupted", "spawn", -signal.SIGINT if V >= (3, 8) else 1,
     name="SIGINT_to_a_whole_group_of_spawned_processes_loses_nothing")
# ---- other interpreters ----

INTERPRETERS = """
import sys
try:
    import _interpreters as interpreters
    kinds = ["isolated", "legacy"]
except ImportError:
    try:
        import _xxsubinterpreters as interpreters
        kinds = [True, False] if sys.version_info >= (3, 9) else [None]
    except ImportError:
        import _testcapi
        interpreters, kinds = None, [None]
def run_in_another(kind, code):
    if not interpreters:
        assert _testcapi.run_in_subinterp(code) == 0
        return
    named = dict(isolated=kind) if isinstance(kind, bool) else {}
    other = interpreters.create(*[kind] * isinstance(kind, str), **named)
    error = interpreters.run_string(other, code)
    assert error is None, error
    interpreters.destroy(other)
"""

INTERPRETERS_AND_THREADS = INTERPRETERS + """
setup()
is_over = False
def work(n):
    log = get_logger("w%d" % n)
    i = 0
    while not is_over or i < 1000:
        log.info("%d %d %s", n, i, "x")
        i += 1
        if i % 100 == 0:
            time.sleep(0.001)
    log.info("%d ends after %d", n, i)
CODE = '''
import logging
for _ in range(3):
    try:
        import mplog
    except ImportError as e:
        assert str(e) == "mplog: only the main interpreter of a process can use it", e
    else:
        raise SystemError("it was imported")
logging.getLogger("w0").addHandler(logging.NullHandler())
logging.getLogger("w0").warning("theirs %d", 1)
'''
threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
for t in threads: t.start()
for i in range(6):
    run_in_another(kinds[i % len(kinds)], CODE)
is_over = True
for t in threads: t.join()
get_logger("m").info("end")
"""


@test
def interpreters_that_come_and_go_while_threads_log_harm_nobody():
    lines, _, _ = program(INTERPRETERS_AND_THREADS)
    equal(lines.pop(), "MainProcess end")
    for n in range(3):
        own = [line.split()[1:] for line in lines if line.split()[1] == str(n)]
        count = len(own) - 1
        equal(own, [[str(n), str(i), "x"] for i in range(count)] + [[str(n), "ends", "after", str(count)]])
        true(count >= 1000, own[-1])
    true(not any("theirs" in line for line in lines), "what another interpreter has logged is in our file")


@test
def interpreter_that_asks_first_does_not_spoil_it_for_the_main_one():
    with Folder() as folder:
        result = support.run(INTERPRETERS + r"""
ASK = '''
try:
    import mplog
except ImportError as e:
    print(e, flush=True)
'''
run_in_another(kinds[0], ASK)
import mplog
mplog.setup_logging(log_file="app.log", log_to_stderr=False, format_string="%(message)s")
mplog.get_logger("a").info("main %d", 1)
""", folder)
        equal((result.status, result.err), (0, ""))
        equal(result.out, "mplog: only the main interpreter of a process can use it\n")
        equal(folder.lines("app.log"), ["main 1"])


@test
def interpreter_that_runs_without_its_lock_is_refused():
    """One without the GIL takes it back when the package is imported, unless it is told not to: the package was not
    made for that. There is none here; one that says so of itself is refused all the same."""
    if V < (3, 13):
        return
    with Folder() as folder:
        result = support.run("""
import sys
sys._is_gil_enabled = lambda: False
try:
    import mplog
except ImportError as e:
    print(e)
sys._is_gil_enabled = lambda: True
import mplog
""", folder)
        equal((result.status, result.err), (0, ""))
        equal(result.out, "mplog: needs the GIL, which this interpreter was told to do without\n")


# ---- places ----

@test
def working_directory_that_is_removed_disturbs_nobody():
    lines, _, _ = program("""
import glob, multiprocessing
home = os.getcwd()
os.mkdir("gone"); os.chdir("gone")
setup(log_file="../app.log", max_bytes=5000, backup_count=50)
get_logger("a").info("before")
os.rmdir(home + "/gone")
try:
    os.getcwd()
except FileNotFoundError:
    get_logger("a").info("gone")
def work(n):
    for i in range(500):
        get_logger("w").info("%d %d", n, i)
context = multiprocessing.get_context("fork")
workers = [context.Process(target=work, args=(n,)) for n in range(2)]
for w in workers: w.start()
for w in workers: w.join()
mplog.shutdown_logging()
try:
    setup(log_file="other.log")
except FileNotFoundError as e:
    assert "other.log" in str(e) and "working directory" in str(e), e
else:
    raise SystemError("it was taken")
setup(log_file=home + "/other.log")
get_logger("a").info("again")
mplog.shutdown_logging()
paths = sorted(glob.glob(home + "/app.log.*"), key=lambda path: -int(path.split(".")[-1])) + [home + "/app.log"]
assert len(paths) > 1
text = "".join(open(path).read() for path in paths)
with open(home + "/app.log", "w") as f:
    f.write(text + open(home + "/other.log").read())
""")
    equal(lines[:2] + lines[-1:], ["MainProcess before", "MainProcess gone", "MainProcess again"])
    workers = [line.split()[1:] for line in lines[2:-1]]
    for n in range(2):
        equal([number for worker, number in workers if worker == str(n)], [str(i) for i in range(500)])


def homes_and_locales(change, is_odd):
    """Numbers and names as ever; what is odd, the program tells."""
    lines, _, out = program("""
import locale
try:
    locale.setlocale(locale.LC_ALL, "")
    print(os.path.expanduser("~"))
except locale.Error:
    print("no locale")
print(sys.getfilesystemencoding())
setup()
get_logger("a").info("%.2f %s %g \\u0130\\u0131", 1234.5, 0.25, 1e-5)
""", err=None, **change)
    equal(lines, ["MainProcess 1234.50 0.25 1e-05 \u0130\u0131"])
    true(is_odd(out.split("\n")), out)


for odd_change, odd_sign in (({"HOME": "/nonexistent/home"}, lambda out: out[0] == "/nonexistent/home"),
                             ({"LC_ALL": "xx_YY.bogus"}, lambda out: out[0] == "no locale"),
                             ({"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
                              lambda out: out[1] == "ascii")):
    case(homes_and_locales, odd_change, odd_sign, name="%s_%s_makes_no_difference" % list(odd_change.items())[0])


@test
def umask_is_for_the_log_and_not_for_what_is_shared():
    for mask in (0, 0o077, 0o377):
        _, _, out = program("""
os.umask(%d)
setup(max_bytes=2000, backup_count=3)
for i in range(100):
    get_logger("a").info("line %%d", i)
modes = set()
for at, folders, files in os.walk(os.environ["MPLOG_RING_DIR"]):
    modes.update(("d", os.stat(os.path.join(at, name)).st_mode & 0o7777) for name in folders)
    modes.update(("f", os.stat(os.path.join(at, name)).st_mode & 0o7777) for name in files)
mplog.flush()
print(sorted(modes), sorted({os.stat(name).st_mode & 0o777 for name in os.listdir(".") if name.startswith("app.log")}))
""" % mask)
        equal(out, "%r %r\n" % ([("d", 0o700), ("f", 0o600)], [0o666 & ~mask]), "umask %o" % mask)


if __name__ == "__main__":
    sys.exit(support.main())
