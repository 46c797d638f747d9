# SPDX-License-Identifier: Unlicense
"""Births, deaths and surroundings: children of all kinds, exits of all kinds, other people's handlers and streams."""
import os
import signal
import sys

import support
from support import SETUP, Folder, equal, program, run, test, true

GUARD = "\nif __name__ == '__main__':\n"


def indented(text):
    return "".join("    %s\n" % line for line in text.strip().splitlines())


# ---- exits ----

@test
def lines_logged_last_are_written_at_exit():
    lines, _, _ = program("setup()\nfor i in range(1000): get_logger('a').info('line %d', i)\n")
    equal(lines, ["MainProcess line %d" % i for i in range(1000)])


@test
def lines_survive_os_exit():
    with Folder() as folder:
        result = run(SETUP + "setup()\nget_logger('a').info('x %d', 1)\nmplog.flush()\nget_logger().info('y')\n"
                     "os._exit(0)\n", folder)
        equal((result.status, result.err), (0, ""))
        support.wait_until(lambda: len(folder.lines("app.log")) > 1, "the last line")
        equal(folder.lines("app.log"), ["MainProcess x 1", "MainProcess y"])


@test
def lines_survive_a_kill():
    with Folder() as folder:
        result = run(SETUP + "setup()\nget_logger('a').info('x %d', 1)\nos.kill(os.getpid(), 9)\n", folder)
        equal(result.status, -signal.SIGKILL)
        support.wait_until(lambda: os.path.exists(folder.file("app.log")) and folder.lines("app.log"), "no line")
        equal(folder.lines("app.log"), ["MainProcess x 1"])


@test
def atexit_and_del_at_shutdown_are_logged_without_noise():
    lines, _, _ = program("""
import atexit
setup()
log = get_logger("a")
class Late:
    def __del__(self, log=log):
        log.info("in __del__ %d", 1)
keep = Late()
atexit.register(log.info, "from atexit %d", 2)
""")
    equal(lines, ["MainProcess from atexit 2", "MainProcess in __del__ 1"])


@test
def daemon_threads_at_exit_make_no_noise():
    for _ in range(100 if support.IS_LONG else 3):
        program("""
setup(overflow="drop")
def forever():
    log = get_logger("t")
    while True:
        log.info("x %d %s", 1, "a")
for i in range(8):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
""")


# The collector is held up while the process ends, which waits for it: had the interpreter gone by then, threads that
# wait for its lock would look into memory that is freed.
@test
def an_exit_that_waits_is_safe_from_daemon_threads():
    for _ in range(30 if support.IS_LONG else 2):
        program(support.COLLECTORS + """
import signal, subprocess
setup(overflow="drop")
def forever():
    log = get_logger("t")
    while True:
        log.info("x %d %s", 1, "a")
collector, = collectors(os.environ["MPLOG_RING_DIR"])
for i in range(8):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.05)
os.kill(collector, signal.SIGSTOP)
resume = "import os, time; time.sleep(0.2); os.kill(%d, %d)" % (collector, signal.SIGCONT)
subprocess.Popen([sys.executable, "-S", "-c", resume])
""")


@test
def a_thread_that_outlives_main_is_logged():
    lines, _, _ = program("""
setup()
def later():
    time.sleep(0.2)
    get_logger("t").info("later")
threading.Thread(target=later).start()
""")
    equal(lines, ["MainProcess later"])


@test
def an_uncaught_exception_comes_after_the_lines():
    with Folder() as folder:
        result = run(SETUP + "setup_logging()\nget_logger('a').info('before')\n1/0\n", folder)
        equal(result.status, 1)
        true(result.err.index("before") < result.err.index("Traceback"), result.err)


@test
def a_signal_handler_may_log_at_any_time():
    lines, _, _ = program("""
import itertools, signal
setup()
log = get_logger("a")
count = itertools.count(1)  # one step of the interpreter: a handler may interrupt another
def handler(*_):
    log.info("signal %d", next(count))
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
begin, n = time.time(), 0
while time.time() - begin < 0.5:
    log.info("main %d", n)
    n += 1
signal.setitimer(signal.ITIMER_REAL, 0)
""")
    signals = [line for line in lines if " signal " in line]
    mains = [line for line in lines if " main " in line]
    equal(sorted(signals), sorted("MainProcess signal %d" % (i + 1) for i in range(len(signals))))
    equal(mains, ["MainProcess main %d" % i for i in range(len(mains))])
    equal(len(signals) + len(mains), len(lines))


# ---- children ----

POOL = """
def work(i):
    get_logger("w").info("work %d", i)
    return i
"""


def check_pool(text, method):
    lines, _, _ = program(POOL + GUARD + indented(text), start_method=method)
    equal(sorted(line.split(" ", 1)[1] for line in lines), sorted("work %d" % i for i in range(20)))


for start_method in ("fork", "spawn", "forkserver"):
    support.case(check_pool, """
import multiprocessing as mp
setup()
with mp.Pool(2) as pool:
    pool.map(work, range(20))
""", start_method, name="a_pool_that_is_terminated_loses_nothing_" + start_method)
    support.case(check_pool, """
from concurrent.futures import ProcessPoolExecutor
setup()
with ProcessPoolExecutor(2) as pool:
    list(pool.map(work, range(20)))
""", start_method, name="a_process_pool_executor_loses_nothing_" + start_method)


@test
def names_of_processes_and_threads_are_those_of_the_moment():
    lines, _, _ = program("""
def work():
    log = get_logger("w")
    log.info("first")
    threading.current_thread().name = "Renamed"
    log.info("second %d", 2)
    t = threading.Thread(target=log.info, args=("third",), name="T")
    t.start(); t.join()
""" + GUARD + indented("""
import multiprocessing as mp
setup(format_string="%(processName)s %(threadName)s %(process)d %(message)s")
p = mp.Process(target=work, name="Worker \\u00e9")
p.start(); p.join()
get_logger("w").info("main %d", p.pid)
"""), start_method="fork")
    pid = lines[-1].split()[-1]
    equal(lines[:-1], ["Worker \u00e9 MainThread %s first" % pid, "Worker \u00e9 Renamed %s second 2" % pid,
                       "Worker \u00e9 T %s third" % pid])


@test
def a_main_module_without_guard_joins_and_ignores_its_options():
    with Folder() as folder:
        result = run(SETUP + """
import multiprocessing as mp
setup(log_file="app-%d.log" % time.time_ns() if sys.version_info >= (3, 7) else "", file_mode="w")
def work():
    get_logger("w").info("in the child")
if __name__ == "__main__":
    get_logger("w").info("before")
    p = mp.get_context("spawn").Process(target=work)
    p.start(); p.join()
    get_logger("w").info("after")
""", folder)
        equal((result.status, result.err), (0, ""))
        names = [f for f in os.listdir(folder.path) if f.startswith("app-")]
        equal(len(names), 1, names)
        equal([line.split(" ", 1)[1] for line in folder.lines(names[0])], ["before", "in the child", "after"])


@test
def a_later_set_up_in_a_child_is_ignored():
    lines, _, _ = program("""
def work():
    setup(level="ERROR")
    get_logger("w").info("still here")
""" + GUARD + indented("""
import multiprocessing as mp
setup()
get_logger("w").info("parent")
p = mp.Process(target=work)
p.start(); p.join()
"""), start_method="fork")
    true("Process-1 still here" in lines, lines)
    true(any("options are ignored" in line for line in lines), lines)


@test
def a_subprocess_joins_by_importing_mplog():
    lines, _, _ = program("""
import subprocess
setup()
get_logger("a").info("parent")
code = "import mplog; mplog.get_logger('sub').info('child %d', 1)"
subprocess.run([sys.executable, "-c", code], check=True)
subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
get_logger("a").info("end")
""")
    equal(lines, ["MainProcess parent", "MainProcess child 1", "MainProcess child 1", "MainProcess end"])


@test
def init_worker_makes_stock_loggers_of_workers_arrive():
    lines, _, _ = program("""
def stock(i):
    logging.getLogger("stock").warning("stock %d", i)
""" + GUARD + indented("""
import multiprocessing as mp
from concurrent.futures import ProcessPoolExecutor
setup()
kw = dict(mp_context=mp.get_context("spawn"))
with ProcessPoolExecutor(1, initializer=mplog.init_worker, **kw) as pool:
    list(pool.map(stock, range(3)))
"""))
    equal([line.split(" ", 1)[1] for line in lines], ["stock 0", "stock 1", "stock 2"])


@test
def a_fork_of_a_thread_that_is_logging_is_harmless():
    lines, _, _ = program("""
setup()
log = get_logger("a")
stop = False
def busy():
    while not stop:
        log.debug("busy %d", 1)
        time.sleep(0)
threads = [threading.Thread(target=busy) for _ in range(3)]
for t in threads: t.start()
for i in range(20):
    pid = os.fork()
    if pid == 0:
        log.info("child %d", i)
        os._exit(0)
    os.waitpid(pid, 0)
stop = True
for t in threads: t.join()
""", err=None)
    equal([line for line in lines if "child" in line], ["MainProcess child %d" % i for i in range(20)])


@test
def set_level_reaches_running_processes():
    lines, _, _ = program("""
def work(q, done):
    log = get_logger("pkg.sub")
    for _ in range(3):
        q.get()
        log.debug("debug")
        logging.getLogger("pkg.sub").info("info")
        done.put(1)
""" + GUARD + indented("""
import multiprocessing as mp
setup(level="INFO")
q, done = mp.Queue(), mp.Queue()
p = mp.Process(target=work, args=(q, done))
p.start()
for level in (None, "DEBUG", logging.NOTSET):
    if level is not None: mplog.set_level("pkg", level)
    q.put(1); done.get()
p.join()
"""), start_method="spawn")
    equal([line.split()[-1] for line in lines], ["info", "debug", "info", "info"])


@test
def set_level_knows_the_root_logger_by_all_its_names():
    lines, _, _ = program("""
setup(level="INFO")
log = get_logger("a")
for name in (None, "", "root"):
    mplog.set_level(name, "ERROR")
    log.warning("not shown")
    mplog.set_level(name, logging.NOTSET)
    log.warning("shown %s", name)
""")
    equal(lines, ["MainProcess shown None", "MainProcess shown ", "MainProcess shown root"])


# ---- other people's handlers, streams and configuration ----

@test
def dict_config_with_our_handlers_writes_files_of_their_own():
    with Folder() as folder:
        result = run(SETUP + """
import logging.config
logging.config.dictConfig({
    "version": 1, "disable_existing_loggers": False,
    "formatters": {"short": {"format": "%(levelname)s %(message)s"},
                   "other": {"format": "{name}:{message}", "style": "{"}},
    "handlers": {
        "all": {"class": "mplog.Handler", "log_file": "all.log", "formatter": "short"},
        "errors": {"class": "mplog.Handler", "filename": "errors.log", "formatter": "other", "level": "ERROR",
                   "maxBytes": 100000, "backupCount": 2, "encoding": "latin-1"},
    },
    "root": {"level": "INFO", "handlers": ["all", "errors"]},
})
log = get_logger("x")
log.info("one %d", 1)
log.error("two \\u00e9")
if os.fork() == 0:
    log.error("child")
    os._exit(0)
os.wait()
mplog.flush()
print(mplog._mplog.stats()["fast_calls"])
""", folder)
        equal((result.status, result.err), (0, ""))
        equal(folder.lines("all.log"), ["INFO one 1", "ERROR two \u00e9", "ERROR child"])
        with open(folder.file("errors.log"), encoding="latin-1") as f:
            equal(f.read().splitlines(), ["x:two \u00e9", "x:child"])


@test
def file_config_with_our_handler_works():
    with Folder() as folder:
        with open(folder.file("log.ini"), "w") as f:
            f.write("""[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=short
[logger_root]
level=INFO
handlers=file
[handler_file]
class=mplog.Handler
formatter=short
args=("app.log", "a", 1000000, 3)
[formatter_short]
format=%(levelname)s:%(message)s
""")
        result = run(SETUP + "import logging.config\nlogging.config.fileConfig('log.ini')\nlogging.info('x %d', 1)\n",
                     folder)
        equal((result.status, result.err), (0, ""))
        equal(folder.lines("app.log"), ["INFO:x 1"])


@test
def a_replaced_stderr_is_written_by_the_process_itself():
    lines, _, out = program("""
import io
sys.stderr = io.StringIO()
setup(log_to_stderr=True)
get_logger("a").info("captured %d", 1)
logging.getLogger("b").warning("too")
print(sys.stderr.getvalue().splitlines())
""")
    equal(out.strip(), "['MainProcess captured 1', 'MainProcess too']")
    equal(lines, ["MainProcess captured 1", "MainProcess too"])


@test
def no_stderr_at_all_is_no_error():
    lines, _, _ = program("sys.stderr = None\nsetup(log_to_stderr=True)\nget_logger('a').info('x')\n")
    equal(lines, ["MainProcess x"])


@test
def foreign_root_handlers_are_named_or_removed():
    lines, _, _ = program("""
logging.getLogger().addHandler(logging.NullHandler())
setup()
get_logger("a").info("x")
print(len(logging.getLogger().handlers))
mplog.shutdown_logging()
setup(force=True)
print(len(logging.getLogger().handlers))
""")
    true("NullHandler" in lines[0] and lines[1] == "MainProcess x" and len(lines) == 2, lines)


@test
def shutdown_leaves_things_as_they_were():
    _, _, out = program("""
root = logging.getLogger()
root.setLevel(35)
for _ in range(3):
    setup()
    assert mplog.is_logging_setup() and "MPLOG_SESSION" in os.environ and root.level == 10
    get_logger("a").info("x")
    mplog.shutdown_logging()
    assert not mplog.is_logging_setup() and "MPLOG_SESSION" not in os.environ
    assert root.level == 35 and root.handlers == [] and sys.excepthook is sys.__excepthook__
get_logger("a").info("not shown")
mplog.shutdown_logging()
import subprocess
print(subprocess.check_output([sys.executable, "-c", "import os; print('MPLOG_SESSION' in os.environ)"]).decode())
""")
    equal(out.strip(), "False")


@test
def set_up_and_shutdown_many_times_leave_nothing():
    times = 1000 if support.IS_LONG else 100
    program("""
def collectors():
    count = 0
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as f:
                count += os.environ["MPLOG_RING_DIR"].encode() in f.read()
        except OSError:
            pass
    return count
def state():
    return dict(descriptors=os.listdir("/proc/self/fd"), threads=len(os.listdir("/proc/self/task")),
                handlers=logging.getLogger().handlers[:], environment=dict(os.environ), collectors=collectors(),
                rings=[names for _, *names in os.walk(os.environ["MPLOG_RING_DIR"])])
setup(); mplog.shutdown_logging()
deadline = time.monotonic() + 10
while collectors() and time.monotonic() < deadline:
    time.sleep(0.01)
before = state()
assert before["collectors"] == 0 and before["rings"] == [[[], []]], before
for i in range(TIMES):
    setup()
    get_logger("a").info("x %d", i)
    mplog.shutdown_logging()
while state() != before and time.monotonic() < deadline + TIMES:
    time.sleep(0.01)
assert state() == before, (state(), before)
with open("app.log") as f:
    assert len(f.readlines()) == TIMES
""".replace("TIMES", str(times)), timeout=600)


@test
def import_alone_does_nothing():
    _, _, out = program("""
print(threading.active_count(), logging.getLogger().handlers, len(os.listdir("/proc/self/task")),
      "MPLOG_SESSION" in os.environ, mplog.is_logging_setup())
get_logger("a").info("nothing")
""")
    equal(out.strip(), "1 [] 1 False False")


@test
def without_set_up_it_is_plain_stdlib():
    with Folder() as folder:
        result = run(SETUP + "get_logger('a').warning('last resort %d', 1)\n", folder)
        equal((result.status, result.err), (0, "last resort 1\n"))


@test
def a_removed_root_handler_is_put_back():
    lines, _, _ = program("""
setup()
logging.getLogger().handlers.clear()
assert not mplog.is_logging_setup()
setup()
assert mplog.is_logging_setup()
get_logger("a").info("back")
""")
    equal(lines, ["MainProcess back"])


# ---- asyncio, a full ring ----

@test
def tasks_are_named_from_3_12_on():
    lines, _, _ = program("""
import asyncio
async def work():
    get_logger("t").info("in a task")
async def main():
    t = asyncio.get_running_loop().create_task(work())
    if hasattr(t, "set_name"): t.set_name("my task")
    await t
setup(level="INFO", format_string="%(taskName)s %(message)s" if sys.version_info >= (3, 12) else "my task %(message)s")
asyncio.run(main())
if sys.version_info >= (3, 12): get_logger("t").info("none")
""")
    equal(lines[0], "my task in a task")
    equal(lines[1:], ["None none"] if sys.version_info >= (3, 12) else [])


@test
def a_full_ring_blocks_without_the_gil_and_loses_nothing():
    with Folder() as folder:
        result = run(SETUP + """
setup(ring_max_bytes=65536, ring_budget_bytes=65536)
log = get_logger("a")
ticks = 0
def tick():
    global ticks
    while ticks >= 0:
        ticks += 1
        time.sleep(0.001)
t = threading.Thread(target=tick); t.start()
for i in range(30000): log.info("%06d %s", i, "x" * 200)
mplog.flush()
ticks = -10**9
t.join()
print(mplog._mplog.stats()["waits"] > 0)
""", folder)
        equal((result.status, result.err), (0, ""))
        lines = folder.lines("app.log")
        equal([line.split()[1] for line in lines], ["%06d" % i for i in range(30000)])


@test
def an_interrupt_ends_the_wait_for_a_full_ring():
    with Folder() as folder:
        result = run(SETUP + support.COLLECTORS + """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # not so where who started the tests ignores it
setup(ring_max_bytes=65536, ring_budget_bytes=65536, block_timeout_ms=30000)
log = get_logger("a")
log.info("first")
mplog.flush()
collector, = collectors(os.environ["MPLOG_RING_DIR"])
os.kill(collector, signal.SIGSTOP)
threading.Timer(1, os.kill, (os.getpid(), signal.SIGINT)).start()
begin = time.monotonic()
try:
    while True:
        log.info("%s", "x" * 1000)
except KeyboardInterrupt:
    took = time.monotonic() - begin
finally:
    os.kill(collector, signal.SIGCONT)
print(0.9 < took < 2, mplog._mplog.stats()["waits"] > 0, took)
""", folder)
        equal((result.status, result.err), (0, ""))
        true(result.out.startswith("True True"), result.out)


if __name__ == "__main__":
    sys.exit(support.main())
