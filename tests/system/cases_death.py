# SPDX-License-Identifier: Unlicense
"""Deaths without warning: of producers, of collectors, of the process that set up."""
import os
import signal
import time

from support import check, processes_naming, read_bytes, wait_until


def kill(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def producers(t):
    return [pid for pid, line in processes_naming(t.tally_path).items() if " collect " not in line]


def forget_round(t):
    """The next round begins with empty folders."""
    for name in os.listdir(t.log_dir):
        os.remove(os.path.join(t.log_dir, name))
    os.remove(t.tally_path)


def producers_killed_at_random_lose_nothing_they_logged(t):
    calls = 0
    for turn in range(t.size(20, 200)):
        rate = t.random.choice((0, 0, 3000, 20_000))
        small = {"ring_max_bytes": 65536} if t.random.random() < 0.3 else {}
        starter = t.produce("--processes", t.random.choice((0, 1, 3)), "--threads", 2, "--records", -1, "--rate", rate,
                            mplog={"max_bytes": 20_000_000, "backup_count": 1000, **small})
        t.wait_for_calls(t.random.choice((1, 100, 2000)))
        time.sleep(t.random.random() * 0.05)
        victims = producers(t)
        t.random.shuffle(victims)
        for pid in victims:
            kill(pid)
            time.sleep(t.random.choice((0, 0.003)))
        starter.wait(status=None)
        t.wait_until_gone()
        calls += t.returned()
        found = t.check_log(at_least=["p."])
        check(found["lost"] == 0 or small, "turn", turn, "rate", rate, found)
        forget_round(t)
    t.note(f"{calls} calls in all")


def processes_killed_while_others_go_on_lose_nothing_they_logged(t):
    """Short-lived processes come, log a little and are killed, also while they join; one lives through all of it."""
    witness = t.produce("--name", "witness", "--first", 1, "--records", -1, "--rate", 2000)
    t.wait_for_calls(1)
    for turn in range(t.size(40, 400)):
        victim = t.produce("--name", f"victim{turn}", "--setup", "main", "--threads", 2, "--records", 5000,
                           env=member_environment(t, witness.pid))
        time.sleep(t.random.random() * 0.02)
        kill(victim.pid)
        victim.wait(status=None)
    kill(witness.pid)
    witness.wait(status=None)
    t.wait_until_gone(12)  # process_killed_while_it_joins_does_not_keep_the_session is about the time
    t.check_log(at_least=["witness", "victim"])


def process_killed_while_it_joins_does_not_keep_the_session(t):
    producer = t.produce("--first", 100, "--records", -1, "--rate", 100)
    t.wait_for_calls(100)
    t.start(t.bench.special, "half-joined", t.sessions()[0]).wait()
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    t.check_log()


def member_environment(t, pid):
    """As a child of the member `pid` would have it."""
    session = t.sessions()[0]
    text = read_bytes(os.path.join(session, "options")).decode()
    check(pid in processes_naming(t.tally_path), "the member is alive")
    return {**t.env, "MPLOG_SESSION": f"dir={session};{text}"}


def check_killed_collectors(t, turns, *arguments, **mplog):
    producer = t.produce("--processes", 2, "--threads", 2, "--records", -1, *arguments, mplog=mplog)
    killed, waits = set(), []
    for _ in range(turns):
        pid = t.wait_for_collector(other_than=killed)
        time.sleep(t.random.choice((0, 0.001, 0.01, 0.05)) * t.random.random())
        kill(pid)
        killed.add(pid)
        began = time.monotonic()
        t.wait_for_collector(other_than=killed)
        waits.append(time.monotonic() - began)
    t.tell_producers_to_stop()
    producer.wait()
    found = t.check_log("--allow-doubled")
    t.note(f"{found['payloads']} messages, {found['doubled']} doubled, next collector after "
           f"{sum(waits) / turns * 1000:.0f} ms, at most {max(waits) * 1000:.0f} ms")
    check(found["lost"] == 0, found)
    check(sum(waits) / turns < 0.4, "the next collector came too late: a log call that finds none starts it")
    check(found["doubled"] == 0, found["doubled"], "lines are there twice; one session writes them exactly once (G5)")


def collectors_killed_at_random_lose_nothing(t):
    check_killed_collectors(t, t.size(20, 200), "--rate", 30_000)


def collectors_killed_while_they_rotate_lose_nothing(t):
    # A rotation renames every backup: with thousands of them none would end between two kills.
    check_killed_collectors(t, t.size(12, 200), "--rate", 2500, max_bytes=t.size(10_000, 200_000),
                            backup_count=100_000)


def full_ring_of_a_killed_collector_gets_another(t):
    """In a ring that stays full nothing is written that could notice; those who lose records must look."""
    for overflow in ("drop", "block"):
        producer = t.produce("--threads", 2, "--records", -1, mplog={"overflow": overflow, "block_timeout_ms": 200,
                                                                   "ring_max_bytes": 65536, "file_mode": "w"})
        pid = t.wait_for_collector()
        os.kill(pid, signal.SIGSTOP)
        t.wait_for_calls(t.returned() + 20_000)  # more than the rings have room for
        kill(pid)
        t.wait_for_collector(other_than={pid})
        t.tell_producers_to_stop()
        producer.wait()
        t.wait_until_gone()
        found = t.check_log()
        t.note(f"{overflow}: {found['lost']} lost")
        check(found["lost"] > 0, "the ring was never full")
        os.remove(t.tally_path)


def collectors_killed_while_rings_change_lose_nothing(t):
    """Large messages among small ones: rings grow, and some messages have one of their own."""
    check_killed_collectors(t, t.size(12, 200), "--rate", 2000, "--huge-every", 10, ring_max_bytes=65536)


def collector_killed_while_all_are_idle_is_replaced_at_need(t):
    """Nobody logs when it dies; then one logs, and lives on."""
    producer = t.produce("--first", 50, "--delay-ms", 1000, "--records", 1, "--hold-ms", 600)
    t.wait_for_calls(50)
    time.sleep(0.3)
    kill(t.wait_for_collector())
    t.wait_for_calls(51)
    wait_until(lambda: "#p.0.0 0 " in t.read_log(), 0.5, "the line of a process that goes on without logging")
    check(producer.process.poll() is None, "the process has ended before: nothing was tested")
    producer.wait()
    check(t.check_log()["payloads"] == 51)


def collector_killed_at_the_end_is_replaced_by_who_waits(t):
    """The flush at the end of the process finds nobody."""
    for _ in range(t.size(5, 50)):
        producer = t.produce("--threads", 4, "--records", 20_000)
        pid = t.wait_for_collector()
        t.wait_for_calls(40_000)
        kill(pid)
        producer.wait()
        found = t.check_log("--allow-doubled")
        check(found["payloads"] - found["doubled"] == 80_000, found)
        t.wait_until_gone()
        forget_round(t)


def all_killed_but_one_child_lose_nothing(t):
    """Also the collector: what a dead member had in its ring is there for the next collector to find."""
    for _ in range(t.size(5, 50)):
        starter = t.produce("--processes", 3, "--threads", 2, "--records", 3000, "--rate", 10_000)
        t.wait_for_calls(300)
        time.sleep(t.random.random() * 0.1)
        survivor = max(producers(t))
        for pid in sorted(set(processes_naming(t.dir, t.ring_dir)) - {survivor}):
            kill(pid)
        starter.wait(status=None)
        t.wait_until_gone(6)
        t.check_log("--allow-doubled", at_least=["p."])
        forget_round(t)


def children_go_on_after_the_death_of_the_main_process(t):
    starter = t.produce("--first", 20, "--processes", 3, "--threads", 2, "--records", 400, "--rate", 500)
    t.wait_for_calls(620)
    kill(starter.pid)
    starter.wait(status=None)
    check(t.returned() < 2420, "the children were ready before: nothing was tested")
    t.wait_for_calls(2420)
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 2420)


def collector_thread_killed_with_its_host_is_replaced(t):
    starter = t.produce("--first", 20, "--processes", 3, "--threads", 2, "--records", 600, "--rate", 1000,
                        mplog={"collector": "thread"})
    t.wait_for_calls(1000)
    kill(starter.pid)
    starter.wait(status=None)
    t.wait_for_calls(3620)
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 3620)


def session_ends_at_once_with_its_last_member(t):
    """Killed, so that it cannot say goodbye, or ended after a while without logging."""
    times = []
    for turn in range(t.size(10, 100)):
        producer = t.produce("--records", 10, "--hold-ms", 20_000 if turn % 5 == 0 else 100)
        t.wait_for_calls(10)
        if turn % 5 == 0:
            time.sleep(0.1)
            kill(producer.pid)
        producer.wait(status=None)
        began = time.monotonic()
        t.wait_until_gone()
        times.append(time.monotonic() - began)
        t.check_log()
        forget_round(t)
    shown = " ".join(f"{seconds * 1000:.0f}" for seconds in times)
    t.note(f"ms: {shown}")
    # A busy machine may need its time, but nothing that looks once a second can be what noticed the death.
    check(max(times) < 0.7, "the collector was left for so many ms:", shown)


def main_process_that_ends_first_leaves_the_collector_to_its_thread_children(t):
    """collector=thread: the thread dies with its host, and a child starts another."""
    t.produce("--first", 20, "--processes", 3, "--records", 400, "--rate", 500, "--detach", 1,
              mplog={"collector": "thread"}).wait(8)
    t.wait_for_calls(1220)
    t.wait_until_gone()
    check(t.check_log()["payloads"] == 1220)


def segment_that_is_truncated_costs_no_other_records(t):
    """Where the file has ended the helper finds zeros; its owner, whom the kernel would end, logs no more here."""
    owner = t.produce("--name", "owner", "--records", 100, "--hold-ms", 60_000)
    t.wait_for_calls(100)
    collector = t.wait_for_collector()
    wait_until(lambda: len(t.read_log().splitlines()) == 100, 2, "the lines of the owner")
    for length in (8192, 4096, 0):
        os.truncate(os.path.join(t.sessions()[0], "seg1"), length)
        witness = t.produce("--name", f"witness{length}", "--setup", "main", "--threads", 2, "--records", 1000,
                            env=member_environment(t, owner.pid))
        witness.wait()
        check(t.collectors() == [collector], "the helper has died")
    kill(owner.pid)
    owner.wait(status=None)
    t.wait_until_gone()
    found = t.ask_oracle("--expect-file", t.expectations(), may_fail=True)
    check(found["payloads"] == 6100 and found["lost"] == 0 and found["damaged"] == 1, found)
    check("bytes were lost: the ring was damaged" in t.read_log(), "the damage is not told")


def helper_that_dies_again_and_again_is_replaced_by_a_thread(t):
    """Three times within a minute; what it had to write is written all the same, by a member, and a line says so."""
    del t.env["MPLOG_HELPER_DEATHS"]
    starter = t.produce("--processes", 1, "--threads", 2, "--records", -1, "--rate", 2000)
    t.wait_for_calls(100)
    killed = set()
    for _ in range(3):
        pid = t.wait_for_collector(other_than=killed)  # there may be no moment without
        size = os.path.getsize(t.log)
        wait_until(lambda so_far=size: os.path.getsize(t.log) > so_far, 5, "it writes")  # only then its death counts
        kill(pid)
        killed.add(pid)
    told = "the helper has died 3 times within a minute, a thread of process "
    wait_until(lambda: told in t.read_log(), 5, told)
    calls = t.returned()
    t.wait_for_calls(calls + 2000)
    check(not set(t.collectors()) - killed, "there is a helper again")
    t.tell_producers_to_stop()
    starter.wait()
    found = t.check_log(foreign=1)
    check(found["lost"] == 0 and t.read_log().count("the helper has died") == 1, found)


CASES = (
    helper_that_dies_again_and_again_is_replaced_by_a_thread,
    producers_killed_at_random_lose_nothing_they_logged, processes_killed_while_others_go_on_lose_nothing_they_logged,
    process_killed_while_it_joins_does_not_keep_the_session,
    collectors_killed_at_random_lose_nothing, collectors_killed_while_they_rotate_lose_nothing,
    full_ring_of_a_killed_collector_gets_another,
    collectors_killed_while_rings_change_lose_nothing, collector_killed_while_all_are_idle_is_replaced_at_need,
    collector_killed_at_the_end_is_replaced_by_who_waits, all_killed_but_one_child_lose_nothing,
    children_go_on_after_the_death_of_the_main_process, session_ends_at_once_with_its_last_member,
    collector_thread_killed_with_its_host_is_replaced,
    main_process_that_ends_first_leaves_the_collector_to_its_thread_children,
    segment_that_is_truncated_costs_no_other_records,
)
