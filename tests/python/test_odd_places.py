# SPDX-License-Identifier: Unlicense
"""Log calls from where one hardly looks for them: destructors, callbacks, other interpreters, small stacks, the last
moments of a process. No crash, no hang, no noise, and the lines are there."""
import os
import sys

import support
from support import equal, program, test, true

V = sys.version_info


@test
def destructors_and_callbacks_log_while_a_call_is_being_made():
    lines, _, _ = program("""
import gc, weakref
setup(format_string="%(funcName)s %(message)s")
log = get_logger("a")
class Node:
    def __del__(self):
        log.info("gone %d", 1)
    def __str__(self):
        log.info("asked %s", "x")
        return "node"
def gone(_):
    log.info("callback")
for _ in range(3):
    log.info("%s", Node())
node = Node()
weak = weakref.ref(node, gone)
del node
cycle = Node()
cycle.itself = cycle
del cycle
gc.collect()
def generator():
    try:
        yield 1
    finally:
        log.info("closed")
g = generator()
next(g)
del g
gc.callbacks.append(lambda phase, info: log.debug("phase %s", phase))
gc.collect()
gc.callbacks.clear()
""")
    asked = ["__str__ asked x", "<module> node", "__del__ gone 1"]
    equal(lines, asked * 3 + ["__del__ gone 1", "gone callback", "__del__ gone 1", "generator closed",
                              "<lambda> phase start", "<lambda> phase stop"])


@test
def records_of_a_destructor_that_runs_inside_a_call_are_whole():
    """The collector of cycles may run anywhere in a call that allocates."""
    lines, _, _ = program("""
import gc
setup()
log = get_logger("a")
class Cycle:
    def __init__(self, i):
        self.i, self.itself = i, self
    def __del__(self):
        log.info("cycle %d", self.i)
gc.set_threshold(3, 2, 2)
for i in range(2000):
    Cycle(i)
    log.info("main %d %s", i, [i])
gc.set_threshold(700, 10, 10)
gc.collect()
""")
    equal(sorted(line for line in lines if " main " in line),
          sorted("MainProcess main %d [%d]" % (i, i) for i in range(2000)))
    equal(sorted(line for line in lines if " cycle " in line),
          sorted("MainProcess cycle %d" % i for i in range(2000)))


@test
def other_interpreters_refuse_the_package_and_keep_their_own_logging():
    lines, _, out = program("""
def run(code, isolated):
    if sys.version_info < (3, 8):
        import _testcapi
        assert _testcapi.run_in_subinterp(code) == 0
        return
    try:
        import _interpreters as interpreters
        i = interpreters.create("isolated" if isolated else "legacy")
    except ImportError:
        import _xxsubinterpreters as interpreters
        i = interpreters.create(isolated=isolated) if sys.version_info >= (3, 9) else interpreters.create()
    error = interpreters.run_string(i, code)
    assert error is None, error
    interpreters.destroy(i)
setup()
get_logger("a").info("before")
CODE = '''
import logging, sys
try:
    import mplog
    print("imported", flush=True)
except ImportError as e:
    print(e, flush=True)
logging.basicConfig(stream=sys.stdout, format="theirs %(message)s")
logging.getLogger("a").warning("x %d", 1)
sys.stdout.flush()
'''
run(CODE, True)
run(CODE, False)
get_logger("a").info("after %d", 2)
""")
    words = "mplog: only the main interpreter of a process can use it"
    equal(out.splitlines(), [words, "theirs x 1"] * 2)
    equal(lines, ["MainProcess before", "MainProcess after 2"])


@test
def calls_at_the_limit_of_recursion_and_on_small_stacks_are_written():
    lines, _, _ = program("""
setup()
log = get_logger("a")
depths = []
def deeper(n):
    depths.append(n)
    log.debug("depth %d", n)
    deeper(n + 1)
try:
    deeper(0)
except RecursionError:
    log.info("back")
logged = len(depths)
threading.stack_size(65536)
t = threading.Thread(target=log.info, args=("small %d", logged))
t.start()
t.join()
""")
    depths = [line for line in lines if "depth" in line]
    equal(depths, ["MainProcess depth %d" % i for i in range(len(depths))])
    equal(lines[len(depths)], "MainProcess back")
    true(abs(int(lines[-1].split()[-1]) - len(depths)) <= 1 and len(depths) > 100, lines[-3:])


@test
def strict_mode_has_nothing_to_say():
    """Warnings are errors, memory is checked, descriptors that are not closed are told."""
    lines, err, _ = program("""
setup(log_to_stderr=False)
log = get_logger("a")
for i in range(3):
    log.info("x %d %s", i, "\\u00e9")
logging.getLogger("b").warning("stock")
handler = mplog.Handler("own.log")
log.addHandler(handler)
log.warning("both")
log.removeHandler(handler)
handler.close()
try:
    1 / 0
except ZeroDivisionError:
    log.exception("caught")
mplog.shutdown_logging()
setup()
if os.fork() == 0:
    log.info("child")
    os._exit(0)
os.wait()
""", options=("-X", "dev", "-W", "error"))
    equal(lines[:5] + lines[-1:], ["MainProcess " + text for text in (
        "x 0 \u00e9", "x 1 \u00e9", "x 2 \u00e9", "stock", "both", "child")])
    true("ZeroDivisionError: division by zero" in lines, lines)


@test
def pool_that_is_terminated_while_its_workers_log_leaves_whole_lines():
    lines, _, _ = program("""
import multiprocessing as mp
def work(i):
    log = get_logger("w")
    for n in range(10**9):
        log.info("work %d %d end", i, n)
if __name__ == "__main__":
    setup(overflow="drop")
    for _ in range(3):
        pool = mp.Pool(2)
        pool.map_async(work, range(2))
        time.sleep(0.05)
        pool.terminate()
        pool.join()
    get_logger("m").info("main end")
""", start_method="fork")
    torn = [line for line in lines if not line.endswith(" end") and " lost" not in line]
    equal(torn, [])
    equal(lines[-1], "MainProcess main end")


@test
def threads_that_end_the_process_leave_their_lines():
    lines, _, _ = program("""
setup()
def last():
    for i in range(1000):
        get_logger("t").info("line %d", i)
    mplog.flush()
    os._exit(3)
threading.Thread(target=last).start()
time.sleep(30)
""", status=3)
    equal(lines, ["MainProcess line %d" % i for i in range(1000)])


@test
def daemon_that_forks_twice_goes_on_in_the_session():
    lines, _, _ = program("""
setup(format_string="%(process)d %(message)s")
log = get_logger("a")
log.info("parent")
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    for fd in (0, 1, 2):
        os.close(fd)
    os.open("/dev/null", os.O_RDWR)
    os.dup(0); os.dup(0)
    log.info("daemon")
    mplog.flush()
    open("done", "w").close()
    os._exit(0)
os.wait()
while not os.path.exists("done"):
    time.sleep(0.01)
""")
    equal([line.split()[1] for line in lines], ["parent", "daemon"])
    true(lines[0].split()[0] != lines[1].split()[0], "the daemon has its parent's number")


@test
def package_that_is_imported_again_works():
    lines, _, _ = program("""
setup()
log = get_logger("a")
log.info("before")
mplog.shutdown_logging()
for name in [n for n in sys.modules if n.split(".")[0] == "mplog"]:
    del sys.modules[name]
import mplog
mplog.setup_logging(log_file="app.log", log_to_stderr=False, format_string="again %(message)s")
for i in range(3):
    log.info("x %d", i)
mplog.get_logger("b").info("y")
""")
    equal(lines, ["MainProcess before", "again x 0", "again x 1", "again x 2", "again y"])


@test
def fork_after_set_up_gives_no_warning():
    """3.12 and later warn where a process has threads."""
    lines, _, _ = program("""
import multiprocessing as mp
setup()
get_logger("a").info("x")
p = mp.get_context("fork").Process(target=get_logger("a").info, args=("child",))
p.start(); p.join()
""", options=("-W", "error"))
    equal(lines, ["MainProcess x", "ForkProcess-1 child"])


LOOPS = """
import asyncio
has_tasks = sys.version_info >= (3, 12)
setup(level="INFO", format_string="%(threadName)s " + "%(taskName)s" * has_tasks + " %(message)s")
async def work(i):
    for n in range(20):
        get_logger("t").info("%d %d", i, n)
        await asyncio.sleep(0)
async def main():
    loop = asyncio.get_running_loop()
    tasks = [loop.create_task(work(i)) for i in range(5)]
    for i, task in enumerate(tasks):
        if hasattr(task, "set_name"): task.set_name("task-%d" % i)
    await asyncio.gather(*tasks)
def run():
    loop = NEW_LOOP
    loop.run_until_complete(main())
    loop.close()
threads = [threading.Thread(target=run, name="T%d" % i) for i in range(3)]
for t in threads: t.start()
for t in threads: t.join()
"""


def loops_in_several_threads(new_loop):
    lines, _, _ = program(LOOPS.replace("NEW_LOOP", new_loop))
    for thread in range(3):
        for i in range(5):
            task = "task-%d" % i if V >= (3, 12) else ""
            equal([line for line in lines if line.startswith("T%d %s %d " % (thread, task, i))],
                  ["T%d %s %d %d" % (thread, task, i, n) for n in range(20)])
    equal(len(lines), 300)


support.case(loops_in_several_threads, "asyncio.new_event_loop()", name="loops_in_several_threads_name_their_tasks")
if os.path.dirname(sys.executable) == "/usr/bin":  # Debian has it for its own Python
    support.case(loops_in_several_threads, "__import__('uvloop').new_event_loop()",
                 name="loops_of_uvloop_in_several_threads_name_their_tasks")


@test
def finalizers_of_all_kinds_at_the_end_are_logged_without_noise():
    lines, err, _ = program("""
import atexit, weakref
from concurrent.futures import ThreadPoolExecutor
setup()
log = get_logger("a")
class Thing:
    def __del__(self):
        log.info("del %s", "x")
thing = Thing()
thing.cycle = thing
keep = Thing()
weakref.finalize(keep, log.info, "finalize %d", 1)
atexit.register(log.info, "atexit")
atexit.register(logging.getLogger("stock").info, "stock %d", 2)
pool = ThreadPoolExecutor(2)
pool.submit(lambda: (time.sleep(0.1), log.info("executor")))
threading.Thread(target=lambda: (time.sleep(0.15), log.info("thread"))).start()
sys.keep = keep
""")
    equal(sorted(line.split(" ", 1)[1] for line in lines if " del " not in line),
          ["atexit", "executor", "finalize 1", "stock 2", "thread"])
    true(len([line for line in lines if " del " in line]) in (1, 2), lines)


@test
def an_exit_that_cannot_write_the_log_says_so():
    """Whatever Python's sys.stderr is by then."""
    _, err, _ = program("""
import io
os.mkdir("log")
setup(log_file="log/app.log", block_timeout_ms=200)
get_logger("a").info("first")
assert mplog.flush()
os.rename("log", "moved")
for i in range(3):
    get_logger("a").info("waits %d", i)
assert not mplog.flush()
sys.stderr = io.StringIO()
""", err=None)
    true(": cannot be written: No such file or directory; 3 records wait; once that is possible, " in err, err)
    equal(err.count("\n"), 1)


if __name__ == "__main__":
    sys.exit(support.main())
