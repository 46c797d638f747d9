# SPDX-License-Identifier: Unlicense
"""What the tests of gevent and eventlet share: greenlets that log, with the standard library replaced. No call hands
over to another greenlet, not even where it waits for room, and nothing is lost."""
import os
import re

from hosts import APPS, LINES, Host, equal, support, true

GREENLETS = 50


def run(host, library, way):
    said = host.run(os.path.join(APPS, "greenlet_app.py"), library, way)
    switches, inside = map(int, re.search(r"switches (\d+) inside (\d+)", said).groups())
    true(switches > GREENLETS * LINES, "hardly any switches: " + said)
    equal(inside, 0, "greenlets were switched inside a log call")
    return said


def names_by_thread(host):
    """Names in the lines of each greenlet's numbers; a greenlet has one."""
    names = {}
    for line in host.folder.lines("app.log"):
        name, producer = re.match(r"(\S+) #(\S+) ", line).groups()
        names.setdefault(producer, set()).add(name)
    return names


def check(library, way, calls, producers):
    with Host() as host:
        run(host, library, way)
        host.check(calls, producers=producers)
        true(os.path.exists(host.folder.file("app.log.1")), "the log was never rotated")
        names = names_by_thread(host)
        true(names and all(len(found) == 1 for found in names.values()), names)


def check_full(library):
    """The collector is stopped, the ring is full: whoever waits for room keeps the others waiting as well."""
    with Host() as host:
        said = run(host, library, "full")
        true("stopped 1" in said, said)
        total = host.returned()
        equal(total, GREENLETS * LINES * 20, "calls that have returned")
        support.wait_until(lambda: not support.sessions_left(host.folder), "sessions are left", 20)
        text = "\n".join(host.folder.lines("app.log"))
        lost = sum(int(count) for count in re.findall(r"(\d+) records (?:of \S+ )?(?:were )?lost", text))
        written = len(re.findall(r" #g\.", text))
        true(lost > 0 and written + lost == total, "%d written, %d lost, %d calls\n%s" % (
            written, lost, total, [line for line in text.split("\n") if "lost" in line]))


def check_unfinished(library):
    with Host() as host:
        run(host, library, "unfinished")
        host.check(GREENLETS * LINES, are_killed=True, producers=GREENLETS)


def check_switches_in_handlers():
    """A handler of the program hands over in the middle of stock methods, which end in another order then."""
    _, _, out = support.program("""
import greenlet
setup()
log, other = get_logger("a"), get_logger("b")
class Switching(logging.NullHandler):
    def handle(self, record):
        greenlet.getcurrent().parent.switch()
log.addHandler(Switching())
greenlets = [greenlet.greenlet(lambda: log.info("x")) for _ in range(2)]
for g in greenlets * 2:
    g.switch()
before = mplog._mplog.stats()["fast_calls"]
other.info("x")
print([g.dead for g in greenlets], mplog._mplog.stats()["fast_calls"] - before)
""")
    equal(out, "[True, True] 1\n", "ended, and calls that went the short way after that")


def main(name):
    support.case(check_switches_in_handlers, name="handler_that_switches_greenlets_leaves_the_short_way_open")
    support.case(check, name, "joined", GREENLETS * LINES, GREENLETS, name="greenlets_of_%s_lose_nothing" % name)
    support.case(check, name, "fork", (GREENLETS + 2) * LINES, GREENLETS + 2,
                 name="fork_under_%s_loses_nothing" % name)
    support.case(check_full, name, name="full_ring_under_%s_keeps_the_call_and_counts" % name)
    support.case(check_unfinished, name, name="exit_with_greenlets_of_%s_that_have_not_ended_loses_nothing" % name)
    return support.main()
