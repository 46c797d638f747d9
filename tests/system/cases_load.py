# SPDX-License-Identifier: Unlicense
"""Load: many writers, small rings, collectors that stand still, all sizes."""
import os
import re
import resource
import signal
import time

from support import check, files_below, processes_naming, read_bytes, wait_until

SMALL_RINGS = {"ring_max_bytes": 65536}
MIB = 1 << 20


def check_sizes(t, max_bytes):
    """Files are rotated when the next line would not fit, and by one session only."""
    sizes = {path: os.path.getsize(path) for path in files_below(t.log_dir)}
    check(len(sizes) > 10 and max(sizes.values()) <= max_bytes, "sizes of the files:", sizes)
    del sizes[t.log]
    longest = 300
    check(min(sizes.values()) > max_bytes - longest, "rotated too early: sizes of the files:", sizes)


def processes_and_threads_with_rotation_lose_nothing(t):
    producer = t.produce("--processes", 4, "--threads", 3, "--records", 5000,
                         mplog={"max_bytes": 200_000, "backup_count": 1000})
    producer.wait()
    found = t.check_log()
    check(found["payloads"] == 60_000, found)
    check_sizes(t, 200_000)


def processes_and_threads_with_collector_thread_lose_nothing(t):
    producer = t.produce("--processes", 4, "--threads", 3, "--records", 5000,
                         mplog={"max_bytes": 200_000, "backup_count": 1000, "collector": "thread"})
    check(not t.collectors(), "a helper was started")
    producer.wait()
    check(t.check_log()["payloads"] == 60_000)


def unrelated_setups_on_one_file_lose_and_double_nothing(t):
    mplog = {"max_bytes": 50_000, "backup_count": 1000}
    both = [t.produce("--name", name, "--processes", 2, "--threads", 2, "--records", 3000, "--rate", 6000, mplog=mplog)
            for name in ("x", "y")]
    wait_until(lambda: len(t.sessions()) == 2, 5, "two sessions")
    for producer in both:
        producer.wait()
    check(t.check_log()["payloads"] == 24_000)
    check_sizes(t, 50_000)


def token_between_processes_stays_in_order(t):
    count = t.size(200_000, 2_000_000)
    t.special("handoff", count, t.tally_path).wait(t.size(30, 300))
    found = t.check_log("--handoffs")
    check(found["payloads"] >= count, found)


def threads_that_share_a_ring_lose_nothing(t):
    t.produce("--threads", 20, "--records", 2000, mplog={**SMALL_RINGS, "ring_budget_bytes": 65536}).wait()
    check(t.check_log()["payloads"] == 40_000)


def full_ring_with_drop_never_waits_and_counts(t):
    producer = t.produce("--first", 1, "--threads", 4, "--records", 20_000, "--delay-ms", 200,
                         mplog={**SMALL_RINGS, "overflow": "drop"})
    collector = t.wait_for_collector()
    os.kill(collector, signal.SIGSTOP)
    t.wait_for_calls(80_001)
    os.kill(collector, signal.SIGCONT)
    producer.wait()
    found = t.check_log()
    check(found["lost"] > 40_000, "nearly all had no room:", found)
    check(t.slowest() < 0.2, "a call took", t.slowest(), "s")


def full_ring_with_block_waits_its_time_and_counts(t):
    producer = t.produce("--first", 1, "--threads", 3, "--records", 5000, "--rate", 2000, "--delay-ms", 200,
                         mplog={**SMALL_RINGS, "block_timeout_ms": 300})
    collector = t.wait_for_collector()
    os.kill(collector, signal.SIGSTOP)
    time.sleep(2)
    os.kill(collector, signal.SIGCONT)
    producer.wait()
    found = t.check_log()
    check(found["lost"] > 0, found)
    check(0.25 < t.slowest() < 0.6, "the slowest call took", t.slowest(), "s")


def every_size_up_to_5000_arrives(t):
    t.produce("--ladder", 1, "--records", 5001).wait()
    check(t.check_log()["payloads"] == 5001)


def mixed_sizes_with_small_rings_arrive(t):
    t.produce("--processes", 2, "--threads", 3, "--records", 2000, "--huge-every", 50,
              mplog={**SMALL_RINGS, "max_bytes": 500_000, "backup_count": 1000}).wait()
    check(t.check_log()["payloads"] == 12_000)


def check_huge(t, count, cut_bytes):
    t.special("huge", count, mplog={"format_string": "%(levelname)s %(message)s"}).wait()
    note = f" ... [{cut_bytes} bytes cut]" if cut_bytes else ""
    line = b"INFO " + b"x" * (count - cut_bytes) + note.encode()
    lines = read_bytes(t.log).split(b"\n")
    shape = [(len(x), x[:20], x[-40:]) for x in lines]
    check(lines == [line, line, b"INFO short", b""], "lines:", shape, "expected twice:", len(line), line[-40:])


def message_of_16_mib_arrives_whole(t):
    check_huge(t, 16 * MIB, 0)


def message_of_17_mib_is_cut_and_says_so(t):
    check_huge(t, 17 * MIB, MIB)


def threads_that_log_once_at_once_lose_nothing(t):
    t.special("at-once", 16, t.tally_path).wait()
    check(t.check_log()["payloads"] == 16)


def threads_one_after_the_other_reuse_rings(t):
    churn = t.special("churn", 3000, t.tally_path)
    churn.wait_for_done(20)
    segments = [path for path in files_below(t.ring_dir) if "/seg" in path]
    check(len(segments) == 1, "segments:", segments)
    size = os.path.getsize(segments[0])
    churn.wait()
    check(t.check_log()["payloads"] == 3000)
    t.note(f"segment: {size // 1024} KiB")
    # After each flush all rings are free, so 100 threads take 100 rings at most, of 68 KiB; without reuse 200 MiB.
    check(size < 8 * MIB, "the segment has", size, "bytes: rings that were free were not taken")


def memory(t):
    """MiB in shared memory, and of the collector."""
    in_use = sum(os.stat(path).st_blocks * 512 for path in files_below(t.ring_dir) if os.path.isfile(path)) / MIB
    resident = re.search(rb"VmRSS:\s+(\d+) kB", read_bytes(f"/proc/{t.collectors()[0]}/status"))
    return in_use, int(resident[1]) / 1024


def ten_thousand_threads_stay_within_the_budget(t):
    """Beyond ring_budget_bytes, 96 MiB, they share a ring."""
    small = 256 * 1024  # stacks
    producer = t.produce("--threads", 10_000, "--records", 3, "--together", 1, "--hold-ms", 5000,
                         preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_STACK, (small, small)))
    t.wait_for_calls(30_000, 120)
    in_use, resident = memory(t)
    producer.wait(60)
    found = t.check_log()
    t.note(f"{in_use:.0f} MiB of shared memory, collector {resident:.0f} MiB, slowest call {t.slowest() * 1000:.1f} ms")
    check(found["payloads"] == 30_000 and found["lost"] == 0, found)
    check(in_use < 96 + 4 and resident < 96 + 32, in_use, resident)


def thousand_processes_take_100_kib_each(t):
    producer = t.produce("--processes", 1000, "--records", 3, "--hold-ms", 180_000)
    t.wait_for_calls(3000, 120)
    in_use, resident = memory(t)
    alive = len(processes_naming(t.tally_path))
    t.tell_producers_to_stop(and_end=True)
    producer.wait(60)
    found = t.check_log()
    t.note(f"{in_use:.0f} MiB of shared memory, collector {resident:.0f} MiB, slowest call {t.slowest() * 1000:.1f} ms")
    check(found["payloads"] == 3000 and found["lost"] == 0, found)
    check(alive > 1000, alive, "processes were alive")
    check(in_use < 1000 * 104 / 1024 + 4 and resident < 150, in_use, resident)


CASES = (
    processes_and_threads_with_rotation_lose_nothing, processes_and_threads_with_collector_thread_lose_nothing,
    unrelated_setups_on_one_file_lose_and_double_nothing, token_between_processes_stays_in_order,
    threads_that_share_a_ring_lose_nothing, full_ring_with_drop_never_waits_and_counts,
    full_ring_with_block_waits_its_time_and_counts, every_size_up_to_5000_arrives, mixed_sizes_with_small_rings_arrive,
    message_of_16_mib_arrives_whole, message_of_17_mib_is_cut_and_says_so, threads_that_log_once_at_once_lose_nothing,
    threads_one_after_the_other_reuse_rings,
)
LONG_CASES = (ten_thousand_threads_stay_within_the_budget, thousand_processes_take_100_kib_each)
