# SPDX-License-Identifier: Unlicense
"""Full file systems: shared memory without room, and a disk that is full for a while. Each is a small tmpfs in a mount
namespace of its own, which takes root; without it these tests are skipped."""
import os
import subprocess

from support import Skip, check

KIB = 1024


def start_on_small_tmpfs(t, folder, size, script):
    """Runs the shell script where `folder` is a tmpfs of that size."""
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("no mount namespaces")
    mount = f"mount -t tmpfs -o size={size} tmpfs '{folder}' || exit 77\n"
    return t.start("unshare", "-m", "sh", "-c", mount + script)


def producer_command(t, *arguments, **mplog):
    words = [t.bench.producer, *arguments, "--tally", t.tally_path, *t.options(**mplog)]
    return " ".join(f"'{word}'" for word in words)


def shared_memory_without_room_fails_at_setup_or_counts(t):
    """From nothing at all to enough: never a crash, and every loss is told."""
    outcomes, sessions = [], os.path.join(t.ring_dir, f"mplog-{os.geteuid()}")
    for size in (64, 200, 400, 500, 600, 700, 800, 1000, 1400, 2000, 4000):
        command = producer_command(t, "--threads", "6", "--records", "300")
        listing = f"ls -A '{t.ring_dir}/'mplog-*/ 2>/dev/null"
        # The collector removes the session after the program's end: soon, unless others have the CPU.
        until_gone = f'for i in $(seq 50); do [ -z "$({listing})" ] && break; sleep 0.1; done'
        program = start_on_small_tmpfs(t, t.ring_dir, size * KIB,
                                       f"{command}; code=$?; {until_gone}; {listing}; exit $code")
        program.wait(status=None)
        code, complaint = program.process.returncode, program.stderr()
        check(code in (0, 111), size, "KiB: exit status", code, complaint)
        t.wait_until_gone()
        check(program.stdout() == "", size, "KiB: left in shared memory:", program.stdout())
        if code == 0:
            found = t.check_log()
            outcomes.append(f"{size}: {found['lost']}")
            check(complaint == "", complaint)
            os.remove(t.tally_path)
            os.remove(t.log)
        else:
            outcomes.append(f"{size}: refused")
            check("No space left" in complaint and sessions in complaint, size, "KiB:", complaint)
            check(not os.path.exists(t.log), "an empty log file was left")
            program.may_complain = True
    t.note("KiB: lost of 1800, or refused: " + ", ".join(outcomes))


def full_disk_loses_only_what_it_counts(t):
    """The log is on a disk that is full from the beginning, until somebody makes room."""
    disk = os.path.join(t.dir, "disk")
    os.mkdir(disk)
    log = os.path.join(disk, "app.log")
    command = producer_command(t, "--threads", "2", "--records", "8000", "--rate", "4000", log_file=log,
                               block_timeout_ms="300", ring_max_bytes="65536")
    program = start_on_small_tmpfs(t, disk, 4000 * KIB, f"""
        touch '{log}'
        dd if=/dev/zero of='{disk}/filler' bs=1k count=5000 2>/dev/null
        {command} &
        sleep 1
        rm '{disk}/filler'
        wait $!
        code=$?
        sleep 0.1
        cp '{log}' '{t.log}'
        exit $code""")
    program.wait()
    check(program.took < 5, "it took", program.took, "s")
    found = t.check_log()
    t.note(f"{found['lost']} of 16000 lost")
    check(0 < found["lost"] < 12_000, found)
    check(t.slowest() < 0.8, "a log call took", t.slowest(), "s")


def file_that_stays_full_leaves_its_records_to_recover(t):
    """All members are gone: the collector tries for 5 s, and leaves the session. When there is room again, the rest is
    written by command."""
    disk = os.path.join(t.dir, "disk")
    os.mkdir(disk)
    log = os.path.join(disk, "app.log")
    command = producer_command(t, "--threads", "2", "--records", "2000", "--rate", "20000", "--quick-exit", "1",
                               log_file=log, block_timeout_ms="1000", ring_max_bytes="262144")
    program = start_on_small_tmpfs(t, disk, 2000 * KIB, f"""
        touch '{log}'
        dd if=/dev/zero of='{disk}/filler' bs=1k count=3000 2>/dev/null
        {command}
        while pgrep -f ' [c]ollect {t.ring_dir}' >/dev/null; do sleep 0.05; done
        wc -c <'{log}'
        '{t.bench.helper}' recover --dry-run
        rm '{disk}/filler'
        '{t.bench.helper}' recover
        code=$?
        cp '{log}' '{t.log}'
        exit $code""")
    program.wait()
    lines = program.stdout().splitlines()
    check(5 < program.took < 8, "it took", program.took, "s")
    found = t.check_log(foreign=1)
    check(found["payloads"] == 4000 and found["lost"] == 0, found)
    waited, recovered = (int(line.split(": ")[1].split()[0]) for line in lines[1:])
    t.note(f"{recovered} of 4000 recovered after {program.took:.1f} s")
    check(waited == recovered > 1000 and recovered + int(lines[0]) // 50 >= 3900, lines)


CASES = (shared_memory_without_room_fails_at_setup_or_counts, full_disk_loses_only_what_it_counts,
         file_that_stays_full_leaves_its_records_to_recover)
