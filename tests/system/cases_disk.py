# SPDX-License-Identifier: Unlicense
"""Disks that are full or fail, while the program logs on: what comes into the file, what is lost and told, and that
other files do not notice."""
import ctypes
import errno
import os
import signal
import time

from cases_recover import stat
from disk_support import KIB, FailingDisk, SmallDisk, check_account, check_logs, count_payloads, own_lines
from support import check, files_below, read_bytes, wait_until

MIB = 1 << 20
SMALL = {"ring_max_bytes": 65536}  # of memory for lines that wait: 256 KiB


def wait_for_all(t, path, seconds=5):
    """All that was accepted so far has a line there."""
    calls = t.returned()
    wait_until(lambda: count_payloads(path) >= calls, seconds, f"{calls} lines in {path}")


def settled(t):
    def look():
        report = stat(t)[0]
        return report["waiting"] == 0 and report["accepted"] == t.returned() and report
    return wait_until(look, 8, "nothing waits")


def check_quiet_account(t):
    """When the producers have logged their last and wait a little before they end."""
    def look():
        before = t.returned()
        time.sleep(0.02)
        report = stat(t)
        return before == t.returned() and report and report[0]["waiting"] == 0 and report[0]
    check_account(t, wait_until(look, 3, "a quiet moment"))


def start_two_files(t, disk, *arguments, **mplog):
    """Everything goes to app.log, which can be written, and to a file on the disk."""
    return disk.produce("--threads", 2, "--records", -1, *arguments, "--also", os.path.join(disk.folder, "other.log"),
                        mplog=mplog)


def end_two_files(t, disk, producer):
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    other = disk.copy("other.log")
    disk.close()
    return check_logs(t, t.log), check_logs(t, other), other


# ---- sinks do not hold each other up ----

def check_two_files(t, **mplog):
    disk = SmallDisk(t, 8000)
    disk.fill()
    producer = start_two_files(t, disk, "--rate", 2000, **mplog)
    for calls in (500, 1000, 2000):
        t.wait_for_calls(calls)
        wait_for_all(t, t.log)
        check(count_payloads(disk.path("other.log")) == 0, "the disk is not full: nothing was tested")
    disk.free()
    wait_for_all(t, disk.path("other.log"))
    found, other, path = end_two_files(t, disk, producer)
    check(found["lost"] == 0 and other["lost"] == 0, found, other)
    said = " ".join(own_lines(t.log))
    check("other.log: writing fails: " in said and "No space left on device" in said and
          "other.log: writing goes on after " in said, said)
    check(not own_lines(path), own_lines(path))
    t.note(f"slowest call {t.slowest() * 1000:.1f} ms")


def file_on_a_full_disk_does_not_hold_up_another_file(t):
    check_two_files(t)


def file_on_a_full_disk_does_not_hold_up_another_file_of_a_thread(t):
    check_two_files(t, collector="thread")


def file_on_a_full_disk_does_not_hold_up_stderr(t):
    disk = SmallDisk(t, 8000)
    disk.fill()
    producer = disk.produce("--threads", 2, "--records", -1, "--rate", 1000,
                            mplog={"log_file": os.path.join(disk.folder, "app.log"), "log_to_stderr": "true"})
    producer.may_complain = True
    for calls in (500, 1000):
        t.wait_for_calls(calls)
        wait_for_all(t, producer.stderr_path)
        check(count_payloads(disk.path()) == 0, "the disk is not full: nothing was tested")
    disk.free()
    wait_for_all(t, disk.path())
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    path = disk.copy()
    disk.close()
    shown = os.path.join(t.dir, "shown")
    with open(shown, "w", encoding="utf-8") as f:
        f.write(producer.stderr())  # without what sanitizers say
    check(check_logs(t, path)["lost"] == 0 and check_logs(t, shown)["lost"] == 0, "lost")
    check("app.log: writing fails: " in producer.stderr(), "stderr is not told")


def file_on_a_full_disk_tells_what_it_has_lost(t):
    """More than may wait for it; a stranger to the other file, which has it all."""
    disk = SmallDisk(t, 16000)
    disk.fill()
    producer = start_two_files(t, disk, "--rate", 10_000, **SMALL)
    t.wait_for_calls(20_000)
    wait_for_all(t, t.log)
    disk.free()
    time.sleep(0.3)  # it is tried again
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    other = disk.copy("other.log")
    disk.close()
    found, there = check_logs(t, t.log), check_logs(t, other)
    check(found["lost"] < there["lost"], found, there)
    lines = [line for line in own_lines(other) if "lost here" in line]
    t.note(lines[0].split("] ", 1)[1])
    check("the file could not be written: No space left on device (from " in lines[0] and
          f"; process {producer.pid}: " in lines[0], lines)


def collector_killed_while_a_file_fails_is_continued_for_both(t):
    disk = SmallDisk(t, 16000)
    disk.fill()
    producer = start_two_files(t, disk, "--rate", 5000, "--hold-ms", 1500)
    killed = set()
    for turn in range(t.size(6, 100)):
        pid = t.wait_for_collector(other_than=killed)
        time.sleep(0.02 * t.random.random())
        os.kill(pid, signal.SIGKILL)
        killed.add(pid)
        if turn % 3 == 1:
            disk.free()
            time.sleep(0.01 * t.random.random())
        elif turn % 3 == 2:
            disk.fill(leave_kib=t.random.choice((0, 4, 12)))
    wait_for_all(t, t.log)
    if os.path.exists(disk.path("filler")):
        disk.free()
    wait_for_all(t, disk.path("other.log"))
    t.tell_producers_to_stop()
    time.sleep(0.1)
    check_account(t, settled(t))
    found, other, _ = end_two_files(t, disk, producer)
    check(found["lost"] == 0 and other["lost"] == 0, found, other)


def account_adds_up_while_a_file_fails_and_after(t):
    disk = SmallDisk(t, 16000)
    disk.fill()
    producer = disk.produce("--records", 12_000, "--hold-ms", 6000, "--also", os.path.join(disk.folder, "other.log"),
                            mplog=SMALL)
    t.wait_for_calls(12_000)
    wait_until(lambda: stat(t)[0]["sinks"][0]["written"] == 12_000, 5, "the file that can be written")
    report = stat(t)[0]
    check_account(t, report)
    good, bad = report["sinks"]
    check(good["lost"] == 0 and bad["lost"] > 1000 and bad["waiting"] > 1000 and bad["written"] == 0, report["sinks"])
    disk.free()
    after = settled(t)
    check_account(t, after)
    check(after["sinks"][1]["written"] == bad["waiting"] and after["sinks"][1]["lost"] == bad["lost"], after["sinks"])
    os.kill(producer.pid, signal.SIGTERM)
    producer.wait(status=None)
    t.wait_until_gone()
    other = check_logs(t, disk.copy("other.log"))
    check(other["lost"] == bad["lost"], other, bad)
    disk.close()


def two_sessions_on_one_file_of_a_full_disk_lose_and_double_nothing(t):
    """Each has its own collector, and both are killed now and then, in the middle of what the disk has taken."""
    disk = SmallDisk(t, 32_000)
    both = [disk.produce("--name", name, "--threads", 2, "--records", -1, "--rate", 2000,
                         mplog={"log_file": os.path.join(disk.folder, "app.log")}) for name in ("x", "y")]
    wait_until(lambda: len(t.sessions()) == 2 and t.returned() > 1000, 5, "two sessions")
    killed = 0
    for turn in range(t.size(4, 40)):
        disk.fill(leave_kib=t.random.choice((0, 8, 40)))
        t.wait_for_calls(t.returned() + 600)
        for pid in t.collectors() if turn % 2 else ():
            os.kill(pid, signal.SIGKILL)
            killed += 1
        disk.free()
        t.wait_for_calls(t.returned() + 600)
    t.tell_producers_to_stop()
    for producer in both:
        producer.wait()
    t.wait_until_gone()
    path = disk.copy()
    disk.close()
    found = t.ask_oracle("--expect-file", t.expectations(), "--allow-doubled", files=[path], may_fail=True)
    t.note(f"{found['payloads']} messages, {found['doubled']} doubled, {found['torn']} torn; {killed} were killed")
    wrong = sum(found[key] for key in ("lost", "out_of_order", "damaged", "unexpected"))
    # One that dies between a write that has ended too early and taking that back leaves a piece of a line (G5).
    pieces = found["torn"] + found["foreign"] - len(own_lines(path)) + found["doubled"]
    check(wrong == 0 and pieces <= killed, found)


def setup_on_a_full_disk_is_refused_or_waits(t):
    """No room for a file, then for its bytes."""
    disk = SmallDisk(t, 64)
    disk.fill()
    names = 0
    try:
        while True:
            os.close(os.open(disk.path(f"name{names}"), os.O_CREAT | os.O_WRONLY, 0o600))
            names += 1
    except OSError:
        pass
    log = os.path.join(disk.folder, "app.log")
    refused = disk.produce("--records", 10, mplog={"log_file": log}).wait(status=111)
    refused.may_complain = True
    check("app.log" in refused.stderr() and "No space left" in refused.stderr(), refused.stderr())
    for i in range(names):
        os.unlink(disk.path(f"name{i}"))
    producer = disk.produce("--records", 10, "--hold-ms", 1000, mplog={"log_file": log})
    t.wait_for_calls(10)
    disk.free()
    producer.wait()
    t.wait_until_gone()
    found = check_logs(t, disk.copy())
    disk.close()
    check(found["lost"] == 0 and names > 0, found, names)


# ---- a disk that fails, and the only file ----

def check_fault(t, name, error, action, times):
    """Moderate load: nothing is lost, and the log goes on by itself."""
    disk = FailingDisk(t)
    producer = t.produce("--threads", 2, "--records", -1, "--rate", 2000, "--hold-ms", 250 if times < 0 else 0,
                         env=disk.env)
    t.wait_for_calls(200)
    disk.begin(error, action, times)
    disk.wait_for_hits(1 if times > 0 else 4)
    if times < 0 and action == FailingDisk.FAIL and error != errno.EINTR:
        before = count_payloads(t.log)
        t.wait_for_calls(t.returned() + 500)
        check(count_payloads(t.log) == before, name, "something was written")
        waiting = stat(t)[0]
        check(waiting["sinks"][0]["waiting"] > 0 and waiting["sinks"][0]["lost"] == 0, name, waiting["sinks"])
    elif times < 0 and action == FailingDisk.FAIL:
        time.sleep(0.1)
    disk.end()
    t.wait_for_calls(t.returned() + 500)
    wait_for_all(t, t.log)
    t.tell_producers_to_stop()
    if times < 0:
        check_quiet_account(t)
    producer.wait()
    t.wait_until_gone()
    found = t.check_log()
    check(found["lost"] == 0, name, found)
    check(t.slowest() < 1, name, "a call took", t.slowest())
    os.remove(t.tally_path)
    os.remove(t.log)
    return disk.hits


def writes_that_fail_once_or_for_a_time_lose_nothing(t):
    hits = []
    for name in ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EFBIG", "EINTR"):
        for times in (1, -1):
            hits.append(f"{name} {check_fault(t, name, getattr(errno, name), FailingDisk.FAIL, times)}")
    hits.append(f"short {check_fault(t, 'short', 0, FailingDisk.HALF, 1)}")
    hits.append(f"all short {check_fault(t, 'all short', 0, FailingDisk.HALF, -1)}")
    t.note("writes that failed: " + ", ".join(hits))


def outage(t, seconds, disk_mib, *arguments, **mplog):
    """A disk that is full while two processes log."""
    disk = SmallDisk(t, disk_mib * KIB)
    producer = disk.produce("--processes", 2, "--threads", 2, "--records", -1, "--hold-ms", 500, *arguments,
                            mplog={"log_file": os.path.join(disk.folder, "app.log"), **mplog})
    t.wait_for_calls(1000)
    disk.fill()
    began = time.monotonic()
    time.sleep(seconds)
    full_bytes = os.path.getsize(disk.path())
    disk.free()
    wait_until(lambda: os.path.getsize(disk.path()) > full_bytes + 1000, 3, "the log goes on")
    recovered = time.monotonic() - began - seconds
    t.tell_producers_to_stop()
    check_quiet_account(t)
    producer.wait(30)
    t.wait_until_gone(8)
    path = disk.copy()
    disk.close()
    found = check_logs(t, path)
    lines = [line.split("] ", 1)[1] for line in own_lines(path)]
    t.note(f"full for {seconds} s: {t.returned()} calls, {found['lost']} lost, longest call "
           f"{t.slowest() * 1000:.0f} ms, {full_bytes} bytes before, goes on after {recovered * 1000:.0f} ms")
    for line in lines[:6]:
        t.note(line)
    t.note(f"stderr meanwhile: {producer.stderr() or 'nothing'}")
    return found, lines


def full_disk_under_load_loses_what_it_counts(t):
    found, lines = outage(t, 2, 64, "--rate", 20_000, block_timeout_ms=1000, **SMALL)
    check(found["lost"] > 0 and any("lost" in line for line in lines), found, lines)
    check(t.slowest() < 1.5, "a call took", t.slowest(), "s, with a block_timeout of one")


def full_disk_under_load_for_ten_seconds_loses_what_it_counts(t):
    """As it is by default; then with overflow=drop. At a rate at which the log alone does not fill the disk."""
    found, lines = outage(t, 10, 1000, "--rate", 250_000)
    check(found["lost"] > 0 and any("lost" in line for line in lines), found, lines)
    check(t.slowest() < 6, "a call took", t.slowest(), "s, with a block_timeout of five")
    os.remove(t.tally_path)
    outage(t, 10, 1000, "--rate", 250_000, overflow="drop")
    check(t.slowest() < 1, "a call took", t.slowest(), "s, with overflow=drop")


# ---- what is done to the file ----

AT_FDCWD, RENAME_EXCHANGE = -100, 2


def exchange(a, b):
    """In one step: between two a file would be made anew."""
    libc = ctypes.CDLL(None, use_errno=True)
    failed = libc.renameat2(AT_FDCWD, os.fsencode(a), AT_FDCWD, os.fsencode(b), RENAME_EXCHANGE)
    check(failed == 0, "renameat2:", os.strerror(ctypes.get_errno()))


def meddle(t, *actions, **mplog):
    """Does all that while a program logs; then all its lines must be in the files together."""
    producer = t.produce("--threads", 2, "--records", -1, "--rate", 2000, "--hold-ms", 500, mplog=mplog)
    t.wait_for_calls(300)
    kept = []
    for action in actions:
        wait_until(lambda: os.path.isfile(t.log), 5, "a file in the place of the last one")
        path = action()
        kept += [path] if path else []
        time.sleep(0.1)
        t.wait_for_calls(t.returned() + 300)
    wait_for_all_in(t, kept)
    t.tell_producers_to_stop()
    check_quiet_account(t)
    producer.wait()
    t.wait_until_gone()
    return check_logs(t, *kept, *backups(t))


def backups(t):
    names = sorted((n for n in os.listdir(t.log_dir) if os.path.isfile(os.path.join(t.log_dir, n))),
                   key=lambda n: -int(n.rpartition(".")[2]) if n[-1].isdigit() else 1)
    return [os.path.join(t.log_dir, n) for n in names]


def wait_for_all_in(t, kept):
    calls = t.returned()
    wait_until(lambda: sum(count_payloads(path) for path in kept + backups(t)) >= calls, 5, "all lines in the files")


def file_that_is_moved_deleted_or_replaced_is_followed(t):
    moved = os.path.join(t.dir, "moved")
    linked = os.path.join(t.dir, "linked")
    aside = os.path.join(t.dir, "aside")

    def move():
        os.rename(t.log, moved)
        return moved

    def delete():
        os.link(t.log, linked)  # to see what was in it
        os.unlink(t.log)
        return linked

    def replace_by_directory():
        os.mkdir(aside)
        exchange(t.log, aside)
        time.sleep(0.4)
        os.rmdir(t.log)
        return aside

    found = meddle(t, move, delete, replace_by_directory)
    check(found["lost"] == 0, found)


def file_that_is_truncated_loses_only_what_was_in_it(t):
    """As copytruncate does: what is copied and cut is gone from here, and nothing else; no hole, no half line."""
    copies = []

    def copy_and_truncate():
        copies.append(os.path.join(t.dir, f"copy{len(copies)}"))
        with open(copies[-1], "wb") as f:
            f.write(read_bytes(t.log))
        os.truncate(t.log, 0)

    producer = t.produce("--threads", 2, "--records", -1, "--rate", 2000)
    for _ in range(5):
        t.wait_for_calls(t.returned() + 300)
        copy_and_truncate()
    t.wait_for_calls(t.returned() + 300)
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    found = t.ask_oracle("--expect-file", t.expectations(), files=[*copies, t.log], may_fail=True)
    wrong = sum(found[key] for key in ("torn", "doubled", "out_of_order", "damaged", "unexpected", "foreign"))
    t.note(f"{found['lost']} of {t.returned()} were written between copy and cut")
    check(wrong == 0 and b"\0" not in read_bytes(t.log), found)
    for name, (returned, _) in t.tallies().items():
        check(f"#{name} {returned - 1} " in t.read_log(), "the last message of", name)


def folder_that_is_removed_and_made_again_is_followed(t):
    folder = os.path.join(t.log_dir, "..", "folder")
    os.mkdir(folder)
    log = os.path.join(folder, "app.log")
    producer = t.produce("--threads", 2, "--records", -1, "--rate", 2000, mplog={"log_file": log})
    t.wait_for_calls(300)
    away = os.path.join(t.dir, "away")
    os.rename(folder, away)
    t.wait_for_calls(t.returned() + 500)
    os.mkdir(folder)
    t.wait_for_calls(t.returned() + 300)
    wait_until(lambda: os.path.exists(log), 3, "a file in the new folder")
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    found = check_logs(t, os.path.join(away, "app.log"), log)
    check(found["lost"] == 0, found)


def permissions_that_are_taken_away_are_waited_for(t):
    """Of the folder: what is open is written on, and the file grows past its size. As another user than root."""
    if os.geteuid() != 0:
        raise AssertionError("needs root, to be somebody else")
    os.chmod(t.dir, 0o777)
    for folder in (t.log_dir, t.ring_dir):
        os.chown(folder, 65534, 65534)
    own = ["--tally", t.tally_path, *t.options(max_bytes=20_000, backup_count=1000)]
    producer = t.start("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", t.bench.producer,
                       "--threads", "2", "--records", "-1", "--rate", "2000", *own)
    t.wait_for_calls(500)
    os.chmod(t.log_dir, 0o500)
    time.sleep(0.1)
    t.wait_for_calls(t.returned() + 1000)
    wait_for_all_in(t, [])
    grown = os.path.getsize(t.log)
    check(grown > 40_000, "it was rotated all the same:", grown)
    os.chmod(t.log_dir, 0)
    t.wait_for_calls(t.returned() + 500)
    wait_for_all_in(t, [])
    os.chmod(t.log_dir, 0o700)
    time.sleep(1.1)
    t.wait_for_calls(t.returned() + 1000)
    t.tell_producers_to_stop()
    producer.wait()
    t.wait_until_gone()
    found = check_logs(t, *backups(t))
    check(found["lost"] == 0, found)
    check(os.path.getsize(t.log) < 20_000, "it is not rotated again")
    said = "\n".join(line for path in backups(t) for line in own_lines(path))
    check("cannot be rotated and grows: " in said and "Permission denied" in said, said)


def backup_that_is_a_directory_does_not_stop_the_log(t):
    os.mkdir(t.log + ".2")
    producer = t.produce("--threads", 2, "--records", 2000, "--rate", 4000,
                         mplog={"max_bytes": 20_000, "backup_count": 2})
    producer.wait()
    t.wait_until_gone()
    found = check_logs(t, t.log + ".1", t.log)
    check(found["lost"] == 0, found)
    check(len([line for line in own_lines(t.log) if "cannot be rotated and grows: " in line]) == 1, own_lines(t.log))
    os.rmdir(t.log + ".2")


def host_with_a_limit_on_file_sizes_is_not_killed(t):
    """SIGXFSZ would end it: rings do not grow past the limit, and the helper's limit is another."""
    for kib in (8, 500, 1500, 3000, 10_000):
        words = " ".join(f"'{word}'" for word in (t.bench.producer, "--threads", "4", "--records", "5000", "--tally",
                                                  t.tally_path, *t.options()))
        if os.path.exists(t.tally_path):
            os.remove(t.tally_path)
        with open(t.tally_path, "wb") as f:
            f.truncate(1 << 20)
        program = t.start("sh", "-c", f"ulimit -S -f {kib * 2}; exec {words}")  # dash counts blocks of 512 bytes
        program.wait(status=None)
        code = program.process.returncode
        check(code in (0, 111), kib, "KiB: exit status", code, program.stderr())
        if code == 0:
            found = t.check_log()
            t.note(f"{kib} KiB: {found['lost']} lost")
            os.remove(t.log)
        else:
            program.may_complain = True
            check("File too large" in program.stderr(), program.stderr())
            t.note(f"{kib} KiB: refused")
        t.wait_until_gone()


# ---- fsync ----

def fsync_never_syncs_nothing(t):
    disk = FailingDisk(t)
    t.produce("--records", 500, "--rate", 5000, env=disk.env, mplog={"max_bytes": 5000, "backup_count": 1000}).wait()
    t.wait_until_gone()
    check(disk.syncs == 0 and disk.directory_syncs == 0, disk.syncs, disk.directory_syncs)
    t.check_log()


def fsync_interval_syncs_once_a_second_and_to_the_end(t):
    disk = FailingDisk(t)
    producer = t.produce("--records", 2400, "--rate", 1000, "--hold-ms", 1500, env=disk.env,
                         mplog={"fsync": "interval"})
    t.wait_for_calls(2400)
    during = disk.syncs
    check(2 <= during <= 4, during, "syncs in 2.4 s")
    wait_until(lambda: disk.synced_bytes == os.path.getsize(t.log), 1.5, "the rest is synced, too")
    check(disk.syncs <= during + 1 and disk.directory_syncs == 1, disk.syncs, disk.directory_syncs)
    producer.wait()
    t.check_log()


def fsync_error_syncs_a_record_before_anybody_is_told(t):
    """When a flush has come back, an ERROR and all before it are on the disk; other records are not synced."""
    disk = FailingDisk(t)
    program = t.special("errors", 20, mplog={"fsync": "error"}, env=disk.env)
    seen = 0
    for turn in range(20):
        wait_until(lambda: f"error={turn}" in program.stdout(), 5, f"flush {turn}")
        text = t.read_log()
        wanted = text.index(f"error {turn}\n") + len(f"error {turn}\n")
        check(disk.synced_bytes >= wanted, "synced", disk.synced_bytes, "of", wanted)
        check(disk.syncs > seen, "no sync for error", turn)
        seen = disk.syncs
        program.process.stdin.write(b"\n")
        program.process.stdin.flush()
    program.wait()
    check(disk.syncs <= 21, disk.syncs, "syncs for 20 errors among 2000 records")


def rotation_syncs_what_it_leaves(t):
    disk = FailingDisk(t)
    producer = t.produce("--records", 600, "--rate", 3000, env=disk.env,
                         mplog={"fsync": "interval", "max_bytes": 10_000, "backup_count": 1000})
    producer.wait()
    t.wait_until_gone()
    rotations = len(os.listdir(t.log_dir)) - 1
    check(disk.syncs >= rotations > 4, disk.syncs, rotations)
    check(t.check_log()["lost"] == 0)


def sync_that_fails_is_told_and_tried_again(t):
    disk = FailingDisk(t)
    disk.fail_syncs(errno.EIO)
    producer = t.produce("--records", 1500, "--rate", 1000, "--hold-ms", 1500, env=disk.env,
                         mplog={"fsync": "interval"})
    t.wait_for_calls(1200)
    disk.fail_syncs(0)
    wait_until(lambda: disk.syncs > 0, 3, "a sync that works")
    producer.wait()
    check_logs(t, t.log)
    said = own_lines(t.log)
    check(len(said) == 1 and "what was written may not be on the disk: " in said[0] and "Input/output error" in said[0],
          said)


CASES = (
    file_on_a_full_disk_does_not_hold_up_another_file, file_on_a_full_disk_does_not_hold_up_another_file_of_a_thread,
    file_on_a_full_disk_does_not_hold_up_stderr, file_on_a_full_disk_tells_what_it_has_lost,
    collector_killed_while_a_file_fails_is_continued_for_both,
    two_sessions_on_one_file_of_a_full_disk_lose_and_double_nothing, setup_on_a_full_disk_is_refused_or_waits,
    account_adds_up_while_a_file_fails_and_after, writes_that_fail_once_or_for_a_time_lose_nothing,
    full_disk_under_load_loses_what_it_counts, file_that_is_moved_deleted_or_replaced_is_followed,
    file_that_is_truncated_loses_only_what_was_in_it, folder_that_is_removed_and_made_again_is_followed,
    permissions_that_are_taken_away_are_waited_for, backup_that_is_a_directory_does_not_stop_the_log,
    host_with_a_limit_on_file_sizes_is_not_killed, fsync_never_syncs_nothing,
    fsync_interval_syncs_once_a_second_and_to_the_end, fsync_error_syncs_a_record_before_anybody_is_told,
    rotation_syncs_what_it_leaves, sync_that_fails_is_told_and_tried_again,
)
LONG_CASES = (full_disk_under_load_for_ten_seconds_loses_what_it_counts,)
