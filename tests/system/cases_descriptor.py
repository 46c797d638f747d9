# SPDX-License-Identifier: Unlicense
"""Log files that are no files: /dev/stdout and what else means something different in each process, and special files
that cannot be written."""
import os
import re
import socket
import subprocess
import threading

from support import check


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


CASES = (
    stdout_that_is_a_pipe_gets_everything_by_each_of_its_names,
    stdout_that_is_a_pipe_gets_everything_from_children_and_from_a_thread, stdout_that_is_a_file_is_that_file,
    stdout_that_is_a_socket_is_refused, terminal_of_the_program_is_written,
)
