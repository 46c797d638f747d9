# SPDX-License-Identifier: Unlicense
"""Lines become records: where they end, how long they may be, and that all of them arrive."""
import os
import random
import re
import resource
import time

from cli_support import MESSAGE, MIB, ORIGIN, check_equal, python
from support import Skip, check

LINE_MAX = 16 * MIB
UNROTATED = ("--max-bytes", "0")
# Memory for more than one line of the greatest length at a time.
ROOM = (*UNROTATED, "--ring-max-bytes", "64M", "--ring-budget-bytes", "512M")
ROTATED = ("--max-bytes", "1M", "--backup-count", "100")


def write_parts(p, parts, pause_s):
    """The reader sees them one by one, unless the machine is busy, and may not care."""
    for part in parts:
        p.stdin.write(part)
        p.stdin.flush()
        time.sleep(pause_s)
    p.communicate(timeout=30)


def pipe_lines_become_records(place):
    status, out, err = place.mplog("pipe", "--format-string", ORIGIN, "--name", "a.b", "--record-level", "error",
                                   text=b"one\n\n two \n")
    check_equal((status, out), (0, b""))
    check_equal([re.sub(rb" \d+\|", b"|", x) for x in err.split(b"\n")],
                [b"ERROR a.b mplog main|one", b"ERROR a.b mplog main|", b"ERROR a.b mplog main| two ", b""])


def pipe_defaults_are_info_and_stdin(place):
    err = place.mplog("pipe", "--format-string", ORIGIN, text=b"x\n")[2]
    check(err.startswith(b"INFO stdin "), err)


def pipe_last_line_without_newline_is_logged(place):
    check_equal(place.pipe(b"a\nb"), [b"a", b"b"])


def pipe_without_input_logs_nothing(place):
    check_equal(place.pipe(b""), [])


def pipe_carriage_return_only_before_newline_is_stripped(place):
    check_equal(place.pipe(b"a\r\nb\rc\r\r\n\r\nd\r", "--escape", "control"),
                [b"a", b"b\\x0dc\\x0d", b"", b"d\\x0d"])


def pipe_nul_and_binary_bytes_are_kept(place):
    check_equal(place.pipe(b"a\0b\xff\n\0\n"), [b"a\\x00b\\xff", b"\\x00"])
    os.unlink(place.log)
    check_equal(place.pipe(b"a\0b\x1b\n", "--escape", "none"), [b"a\0b\x1b"])


def pipe_line_end_in_two_reads_is_one_line_end(place):
    write_parts(place.start_pipe(), (b"o", b"ne\r", b"\ntw", b"o\r\n", b"\r", b"\n"), 0.02)
    check_equal(place.lines(), [b"one", b"two", b""])


def pipe_lines_of_any_length_are_whole(place):
    rng = random.Random(1)
    lengths = [MIB, MIB - 1, MIB + 1, 65535, 65536, 65537, 262143, 262144, 262145, 196607, 196608, 3 * MIB // 2]
    lengths += [rng.randrange(200) for _ in range(2000)] + [rng.randrange(400000) for _ in range(40)]
    rng.shuffle(lengths)
    expected = [bytes([97 + i % 26]) * n for i, n in enumerate(lengths)]
    got = place.pipe(b"".join(x + (b"\n", b"\r\n")[i % 2] for i, x in enumerate(expected)), *UNROTATED)
    check(got == expected, "not as written")


def pipe_line_of_16_mib_is_whole(place):
    line = b"0123456789abcdef" * MIB
    got = place.pipe(line + b"\r\nend", *UNROTATED)
    check_equal([len(x) for x in got], [LINE_MAX, 3])
    check(got[0] == line, "the line has changed")


def pipe_line_of_16_mib_may_have_its_end_in_other_reads(place):
    write_parts(place.start_pipe(*ROOM), (b"x" * LINE_MAX, b"\r", b"\nend\n"), 0.1)
    check_equal([len(x) for x in place.lines()], [LINE_MAX, 3])


def pipe_longer_line_comes_in_pieces(place):
    for extra, end in ((1, b"\n"), (1, b"\r\n"), (1, b""), (2, b"\n"), (2, b""), (70000, b"\n"), (LINE_MAX + 5, b"\n")):
        data = b"x" * (LINE_MAX - 1) + b"y" + b"z" * extra
        got = place.pipe(b"a\n" + data + end + b"b" * (end != b""), *ROOM)
        check_equal(got[0], b"a")
        text, rest = (got[1:-1], got[-1]) if end else (got[1:], b"b")
        check_equal([len(t) for t in text], [LINE_MAX, *[LINE_MAX] * (extra // LINE_MAX), extra % LINE_MAX])
        check(b"".join(text) == data and rest == b"b", "text was changed")
        os.unlink(place.log)


def pipe_longer_line_is_cut_between_characters(place):
    for shift in range(4):
        data = b"-" * shift + "\U0001f600".encode() * (LINE_MAX // 4 + 1)
        got = place.pipe(data, *ROOM)
        check_equal(len(got[0]), LINE_MAX - (4 - shift) % 4 if shift else LINE_MAX)
        check(len(got) == 2 and b"".join(got) == data, "text was changed")
        check(b"\\x" not in got[0] and got[1].decode(), "cut in a character")
        os.unlink(place.log)


def pipe_short_of_memory_cuts_lines_but_loses_nothing(place):
    def limit():
        resource.setrlimit(resource.RLIMIT_DATA, (4 * MIB, resource.RLIM_INFINITY))

    if place.mplog("--version", preexec_fn=limit)[0] != 0:
        raise Skip("a build that needs more memory than that to start at all")
    data = random.Random(2).randbytes(6 * MIB).hex().encode()
    status, _, err = place.mplog("pipe", "--log-file", place.log, "--no-stderr", "--format-string", MESSAGE, *ROOM,
                                 text=data + b"\nend\n", preexec_fn=limit)
    check_equal((status, err), (0, b""))
    got = place.lines()
    check(b"".join(got[:-1]) == data and got[-1] == b"end", "text was lost")
    check(len(got) > 2, "memory was not short")


def pipe_200000_lines_with_rotation_are_all_there(place):
    expected = b"".join(b"%d of pipe\n" % i for i in range(200000))
    place.pipe(expected, *ROTATED)
    text, backups = place.read_rotated()
    check(text == expected, f"{text.count(10)} lines")
    check(backups >= 2, "no rotation")


def run_200000_lines_with_rotation_are_all_there(place):
    writer = python("import os\n"
                    "for k in range(100):\n"
                    "    for fd in 1, 2:\n"
                    "        data = b''.join(b'%d of %d\\n' % (i, fd) for i in range(k * 1000, k * 1000 + 1000))\n"
                    "        while data:\n"
                    "            data = data[os.write(fd, data[:997]):]\n")
    check_equal(place.run(*writer, options=ROTATED), (0, b""))
    text, backups = place.read_rotated()
    lines = text.split(b"\n")[:-1]
    check(backups >= 2, "no rotation")
    check_equal(len(lines), 200000, "number of lines")
    for stream, level, fd in ((b"stdout", b"INFO", 1), (b"stderr", b"WARNING", 2)):
        own = [x.split(b"|")[1] for x in lines if x.startswith(level + b" ") and b" " + stream + b" " in x]
        check(own == [b"%d of %d" % (i, fd) for i in range(100000)], stream, "is not as written")


def pipe_read_that_fails_is_111(place):
    fd = os.open("/", os.O_RDONLY)
    status, _, err = place.mplog("pipe", "--log-file", place.log, "--no-stderr", stdin=fd)
    os.close(fd)
    check_equal((status, err), (111, b"mplog: fatal: unable to read standard input: Is a directory\n"))


def pipe_input_that_does_not_block_is_waited_for(place):
    r, w = os.pipe()
    os.set_blocking(r, False)
    p = place.start_pipe(stdin=r)
    time.sleep(0.1)
    os.write(w, b"late\n")
    os.close(w)
    os.close(r)
    p.communicate(timeout=30)
    check_equal((p.returncode, place.lines()), (0, [b"late"]))


CASES = (
    pipe_lines_become_records, pipe_defaults_are_info_and_stdin, pipe_last_line_without_newline_is_logged,
    pipe_without_input_logs_nothing, pipe_carriage_return_only_before_newline_is_stripped,
    pipe_nul_and_binary_bytes_are_kept, pipe_line_end_in_two_reads_is_one_line_end, pipe_lines_of_any_length_are_whole,
    pipe_line_of_16_mib_is_whole, pipe_line_of_16_mib_may_have_its_end_in_other_reads, pipe_longer_line_comes_in_pieces,
    pipe_longer_line_is_cut_between_characters, pipe_short_of_memory_cuts_lines_but_loses_nothing,
    pipe_200000_lines_with_rotation_are_all_there, run_200000_lines_with_rotation_are_all_there,
    pipe_read_that_fails_is_111, pipe_input_that_does_not_block_is_waited_for,
)
