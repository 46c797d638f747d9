# SPDX-License-Identifier: Unlicense
"""Log files that are no files: /dev/stdout and what else means something different in each process, and special files
that cannot be written."""
import json
import os
import re
import shutil
import socket
import subprocess
import threading

from support import check, wait_until


def produce_into_pipe(t, log_file, *arguments, **mplog):
    """Runs a program whose stdout is a pipe; returns all that came through it, judged."""
    end, writer = os.pipe()
    path = t.new_path("stdout")
    program = t.produce("--threads", 2, "--records", 500, *arguments, mplog={"log_file": log_file, **mplog},
                        stdout=writer)
    os.close(writer)

    def read_all():
        with open(path, "wb") as f:
            while data := os.read(end, 65536):
                f.write(data)
        os.close(end)
    reader = threading.Thread(target=read_all)
    reader.start()
    program.wait()
    reader.join(3)
    check(not reader.is_alive(), "the reader waits for the end 3 s after the program has gone")
    return t.ask_oracle("--expect-file", t.expectations(), files=[path])


def stdout_that_is_a_pipe_gets_everything_by_each_of_its_names(t):
    link = t.new_path("link")
    os.symlink("/dev/stdout", link)
    for name in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "/proc/thread-self/fd/1", link):
        found = produce_into_pipe(t, name)
        check(found["payloads"] == 1000 and found["lost"] == 0, name, found)
        os.unlink(t.tally_path)


def stdout_that_is_a_pipe_gets_everything_from_children_and_from_a_thread(t):
    found = produce_into_pipe(t, "/dev/stdout", "--processes", 2)
    check(found["payloads"] == 2000 and found["lost"] == 0, found)
    os.unlink(t.tally_path)
    found = produce_into_pipe(t, "/dev/stdout", collector="thread")
    check(found["payloads"] == 1000 and found["lost"] == 0, found)


def stdout_that_is_a_file_is_that_file(t):
    with open(t.log, "ab") as f:
        t.produce("--records", 100, mplog={"log_file": "/dev/stdout"}, stdout=f.fileno()).wait()
    t.check_log()


def pipe_command(t, *options, **how):
    command = [os.path.join(t.bench.build, "mplog"), "pipe", "--no-stderr", "--ring-dir", t.ring_dir, *options]
    return subprocess.run(command, input=b"one\ntwo\n", stderr=subprocess.PIPE, timeout=20, check=False, **how)


def stdout_that_is_a_socket_is_refused(t):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        done = pipe_command(t, "--log-file", "/dev/stdout", stdout=theirs)
    check(done.returncode != 0 and b'log_file: "/dev/stdout" is a socket' in done.stderr, done)


def terminal_of_the_program_is_written(t):
    main, terminal = os.openpty()
    command = [os.path.join(t.bench.build, "mplog"), "pipe", "--no-stderr", "--ring-dir", t.ring_dir, "--log-file",
               "/dev/tty"]
    how = ("import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(1, termios.TIOCSCTTY, 0); "
           "os.execv(sys.argv[1], sys.argv[1:])")
    subprocess.run(["python3", "-c", how, *command], input=b"one\n", stdout=terminal, timeout=20, check=True)
    text = os.read(main, 4096)
    os.close(main)
    os.close(terminal)
    check(re.search(rb"\bone\r?\n", text), text)


def device_that_is_full_loses_what_it_counts_and_says_so(t):
    for collector in ("helper", "thread"):
        done = pipe_command(t, "--log-file", "/dev/full", "--collector", collector)
        check(done.stderr == b"mplog: /dev/full: cannot be written: No space left on device; 2 records are lost\n" and
              done.returncode == 111, done)


def device_that_is_full_is_told_by_stat_and_flush(t):
    program = t.produce("--records", 100, "--hold-ms", 1000, "--shutdown", 1, mplog={"log_file": "/dev/full"})
    program.may_complain = True
    t.wait_for_calls(100)

    def sink_counts():
        done = subprocess.run([os.path.join(t.bench.build, "mplog"), "stat", "--json"], capture_output=True, check=True,
                              env={**t.env, "MPLOG_RING_DIR": t.ring_dir})
        return [(s["written"], s["lost"]) for session in json.loads(done.stdout) for s in session["sinks"]]
    wait_until(lambda: sink_counts() == [(0, 100)], 3, "all are counted as lost")
    program.wait()
    check("/dev/full: cannot be written: No space left on device; 100 records are lost" in program.stderr(),
          program.stderr())


def pipe_whose_reader_has_gone_loses_what_it_counts_and_says_so(t):
    end, writer = os.pipe()
    with subprocess.Popen([os.path.join(t.bench.build, "mplog"), "pipe", "--no-stderr", "--ring-dir", t.ring_dir,
                           "--log-file", "/dev/stdout"], stdin=subprocess.PIPE, stdout=writer,
                          stderr=subprocess.PIPE) as program:
        os.close(writer)
        program.stdin.write(b"one\n")
        program.stdin.flush()
        check(b" one\n" in os.read(end, 4096))
        os.close(end)
        _, said = program.communicate(b"two\nthree\n", timeout=20)
    check(re.fullmatch(rb"mplog: /proc/\d+/fd/1: cannot be written: Broken pipe; 2 records are lost\n", said) and
          program.returncode == 111, program.returncode, said)


def pipe_that_nobody_reads_is_told_with_what_waits_for_it(t):
    path = t.new_path("fifo")
    os.mkfifo(path)
    program = t.produce("--records", 2000, mplog={"log_file": path})
    program.may_complain = True
    program.wait()
    said = re.match(rf"mplog: {path}: (\d+) bytes wait for its reader\n", program.stderr())
    check(said and int(said[1]) > 0, program.stderr())
    t.wait_until_gone(8)
    shutil.rmtree(os.path.join(t.ring_dir, f"mplog-{os.getuid()}"))  # left behind


CASES = (
    pipe_that_nobody_reads_is_told_with_what_waits_for_it,
    device_that_is_full_loses_what_it_counts_and_says_so, device_that_is_full_is_told_by_stat_and_flush,
    pipe_whose_reader_has_gone_loses_what_it_counts_and_says_so,
    stdout_that_is_a_pipe_gets_everything_by_each_of_its_names,
    stdout_that_is_a_pipe_gets_everything_from_children_and_from_a_thread, stdout_that_is_a_file_is_that_file,
    stdout_that_is_a_socket_is_refused, terminal_of_the_program_is_written,
)
