# SPDX-License-Identifier: Unlicense
"""What comes in the middle of a log call, a set-up or a shutdown: interrupts, destructors, changes of records and
handlers, other threads, forks."""
import sys

import support
from support import equal, program, test, true

V = sys.version_info


# ---- in the middle of a call ----

@test
def interrupts_and_exits_while_arguments_are_formatted_reach_the_program():
    lines, _, out = program("""
import signal
setup()
log = get_logger("a")
class Once:
    def __init__(self, action):
        self.action = action
    def __str__(self):
        action, self.action = self.action, lambda: None
        action()
        return "once"
def end():
    raise SystemExit(3)
def wrong():
    raise ValueError("no")
for action in (lambda: os.kill(os.getpid(), signal.SIGINT), end):
    try:
        log.info("%s", Once(action))
    except (KeyboardInterrupt, SystemExit) as e:
        print(type(e).__name__)
log.info("%s after an error", Once(wrong))
""")
    equal(out.split(), ["KeyboardInterrupt", "SystemExit"])
    equal(lines, ["MainProcess once after an error"])


@test
def interrupt_while_a_task_is_asked_for_its_name_reaches_the_program():
    """Up to 3.11 nobody asks."""
    _, _, out = program("""
import asyncio
setup(level="INFO", format_string="%(message)s" + " %(taskName)s" * (sys.version_info >= (3, 12)))
log = get_logger("a")
class Task(asyncio.Task):
    def get_name(self):
        raise KeyboardInterrupt
async def work():
    try:
        log.info("x")
        print("nothing")
    except KeyboardInterrupt:
        print("KeyboardInterrupt")
loop = asyncio.new_event_loop()
loop.run_until_complete(Task(work(), loop=loop))
loop.close()
""")
    equal(out.split(), ["KeyboardInterrupt" if V >= (3, 12) else "nothing"])


@test
def record_that_is_emptied_by_its_own_argument_is_written():
    lines, _, _ = program("""
setup(format_string="%(message)s")
class Emptying:
    def __str__(self):
        self.record.msg = self.record.args = None
        self.junk = [("z" * 50,) * 3 for _ in range(1000)]
        return "e"
handler = logging.getLogger().handlers[0]
log = get_logger("a")
log.info("first")
for i in range(300):
    argument = Emptying()
    message = "".join(("%s %s ", "%s ", str(i)))
    record = logging.LogRecord("a", 20, "path", 1, message, (argument, "b" * 60, "c" * 60), None)
    argument.record = record
    del argument, message
    handler.handle(record)
""")
    equal(lines, ["first"] + ["e %s %s %d" % ("b" * 60, "c" * 60, i) for i in range(300)])


@test
def callback_that_is_a_log_method_is_placed_as_in_the_standard_library():
    """It runs when the locals of a function go that C has called."""
    lines, _, out = program("""
import functools, weakref
FORMAT = "%(filename)s %(funcName)s %(lineno)d %(message).4s"
setup(format_string=FORMAT)
class Local:
    pass
kept = []
def called(log):
    local = Local()
    kept.append(weakref.ref(local, functools.partial(log.info, "gone %s")))
def caller(log):
    list(map(called, [log] * 3))
stock = logging.Logger("stock")
stock.addHandler(logging.StreamHandler(sys.stdout))
stock.handlers[0].setFormatter(logging.Formatter(FORMAT))
for log in (get_logger("a"), stock):
    caller(log)
""")
    equal(lines, out.splitlines())
    true(lines and lines[0].startswith("program.py caller "), lines)


@test
def handler_that_a_destructor_adds_in_the_middle_of_a_call_is_called():
    """Up to 3.11 the collector of cycles runs where objects are made: also while the path to the root is looked at."""
    _, _, out = program("""
import gc
setup()
class Foreign(logging.NullHandler):
    count = 0
    def handle(self, record):
        self.count += 1
class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        log.addHandler(foreign)
        log.info("inside")
gc.disable()
for more in range(40):
    foreign = Foreign()
    log = get_logger("t%d.a.b" % more)
    for name in ("t%d.a", "t%d"):
        logging.getLogger(name % more)  # not ours before they are met on the path
    gc.collect()
    Cycle()
    gc.set_threshold(gc.get_count()[0] + more, 1000, 1000)
    gc.enable()
    log.info("call")
    gc.disable()
    if foreign in log.handlers:
        before = foreign.count
        log.info("after")
        if foreign.count != before + 1:
            print("not called", more)
""")
    equal(out, "")


@test
def handler_that_logs_when_it_goes_leaves_nothing():
    lines, _, out = program("""
setup()
log = get_logger("a")
class Foreign(logging.NullHandler):
    def __del__(self):
        log.info("gone")
def add_and_remove():
    foreign = Foreign()
    log.addHandler(foreign)
    log.info("x")
    log.removeHandler(foreign)
    del foreign
    log.info("y")
    log.info("z")
add_and_remove()
before = sys.getrefcount(log._cache)
for _ in range(100):
    add_and_remove()
print(sys.getrefcount(log._cache) - before)
""")
    equal(out, "0\n")
    equal(sorted(lines), sorted("MainProcess " + word for word in ("x", "y", "z", "gone") * 101))


# ---- what is known of loggers and threads ----

@test
def two_handlers_of_the_same_file_write_a_line_each():
    lines, _, _ = program("""
setup(format_string="%(message)s")
log = get_logger("a")
log.addHandler(mplog.Handler())
for i in range(3):
    log.info("one %d", i)
log.info("two", stack_info=False)
""")
    equal(lines, ["one 0", "one 0", "one 1", "one 1", "one 2", "one 2", "two", "two"])


@test
def class_of_threads_that_is_patched_is_asked_at_once():
    lines, _, _ = program("""
setup(format_string="%(threadName)s")
log = get_logger("a")
log.info("x")
log.info("x")
threading.Thread.name = property(lambda self: "PATCHED")
log.info("x")
log.info("x")
""")
    equal(lines, ["MainThread"] * 2 + ["PATCHED"] * 2)


@test
def logger_whose_class_is_derived_from_ours_uses_its_methods():
    lines, _, _ = program("""
setup(level="INFO")
log = get_logger("a")
log.debug("x")
class Own(type(log)):
    def isEnabledFor(self, level):
        return True
log.__class__ = Own
log.debug("x")
log.debug("x")
""")
    equal(lines, ["MainProcess x"] * 2)


# ---- other threads ----

@test
def formatter_that_is_set_while_a_handler_gets_ready_is_used():
    lines, _, _ = program("""
log = get_logger("a")
log.setLevel("INFO")
handler = mplog.Handler(log_file="app.log")
log.addHandler(handler)
add_sink = mplog._mplog.add_sink
def add_sink_slowly(options):
    index = add_sink(options)
    mplog._mplog.add_sink = add_sink
    other = threading.Thread(target=handler.setFormatter, args=(logging.Formatter("new %(message)s"),))
    other.start()
    other.join()
    return index
mplog._mplog.add_sink = add_sink_slowly
for _ in range(3):
    log.info("x")
""")
    equal(lines[1:], ["new x"] * 2)


@test
def shutdown_while_a_handler_gets_ready_makes_no_noise():
    program("""
setup()
log = logging.getLogger("a")
handler = logging.getLogger().handlers[0]
handler.setFormatter(None)
join = mplog._mplog.join
def join_late(asks_parents):
    mplog._mplog.join = join
    mplog.shutdown_logging()
    return join(asks_parents)
mplog._mplog.join = join_late
log.info("x")
log.info("x")
""")


CONFIG_MEANWHILE = """
import logging.config
setup()
other = threading.Thread(target=%s)
def filter_that_takes_its_time():
    other.start()
    time.sleep(0.3)
    return logging.Filter()
logging.config.dictConfig({
    "version": 1, "filters": {"slow": {"()": filter_that_takes_its_time}},
    "handlers": {"file": {"class": "mplog.Handler", "log_file": "other.log"}}, "loggers": {"b": {"handlers": ["file"]}},
})
other.join()
"""


def dict_config_and(call):
    """dictConfig has logging's lock all the time, and our handlers want ours; set-up and shutdown want both."""
    program(CONFIG_MEANWHILE % call, timeout=20)


support.case(dict_config_and, "mplog.shutdown_logging", name="dict_config_and_shutdown_at_once_both_end")
support.case(dict_config_and, "setup, kwargs={'log_file': 'third.log'}", name="dict_config_and_setup_at_once_both_end")


@test
def child_that_is_forked_while_another_thread_shuts_down_can_do_so_too():
    _, _, out = program(support.COLLECTORS + """
import signal
setup()
get_logger("a").info("x")
mplog.flush()
helpers = collectors(os.environ["MPLOG_RING_DIR"])
for helper in helpers: os.kill(helper, signal.SIGSTOP)
get_logger("a").info("y")
other = threading.Thread(target=mplog.shutdown_logging)
other.start()
time.sleep(0.3)
is_waiting = other.is_alive()
pid = os.fork()
if pid == 0:
    signal.alarm(20)
    mplog.shutdown_logging()
    os._exit(0)
for helper in helpers: os.kill(helper, signal.SIGCONT)
other.join()
print(len(helpers), is_waiting, os.waitpid(pid, 0)[1])
""", err=None)
    equal(out, "1 True 0\n")


if __name__ == "__main__":
    sys.exit(support.main())
