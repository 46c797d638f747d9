#!/usr/bin/env python3
# SPDX-License-Identifier: Unlicense
"""Plants faults into log files and asks the oracle to find exactly these: test_oracle.py ORACLE

The messages are made here by a second implementation of numbered.h. Speaks TAP.
"""
import os
import random
import subprocess
import sys
import tempfile
import zlib

MASK = 2**64 - 1
ZERO = dict.fromkeys(("lost", "torn", "doubled", "out_of_order", "counted_lost", "damaged", "unexpected", "handoffs",
                      "foreign"), 0)
PREFIXES = ("", "2026-11-22 10:00:00,123 INFO     app [p:12 main] ", "[x] ", "INFO mplog: 3 records ")
LOSS = "2026-11-22 10:00:00,123 WARNING  mplog [p:12 main] "


def filler(producer, number, length):
    state = 0xcbf29ce484222325
    for byte in producer.encode():
        state = (state ^ byte) * 0x100000001b3 & MASK
    state = (state + number * 0xff51afd7ed558ccd) & MASK
    out = bytearray()
    while len(out) < length:
        state = (state + 0x9e3779b97f4a7c15) & MASK
        z = state
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9 & MASK
        z = (z ^ z >> 27) * 0x94d049bb133111eb & MASK
        z ^= z >> 31
        out += bytes((b & 0x3f) + 0x30 for b in z.to_bytes(8, "little"))
    return out[:length].decode()


def message(producer, number, length, token=None):
    text = filler(producer, number, length)
    crc = zlib.crc32(f"{producer} {number} {length} {text}".encode())
    return f"#{producer} {number} {length} {crc:08x} {text}" + ("" if token is None else f" token {token}")


class Log:
    """Lines of three producers, merged at random; `planted` is what the oracle is to find."""

    def __init__(self, rng, count=40):
        self.rng = rng
        self.planted = dict(ZERO)
        self.expected = {name: count for name in ("a", "b.1", "process-77.thread-3")}
        self.queues = {name: [self.line(name, i) for i in range(count)] for name in self.expected}
        self.lines = []
        names = [name for name in self.expected for _ in range(count)]
        rng.shuffle(names)
        cursor = dict.fromkeys(self.expected, 0)
        for name in names:
            self.lines.append(self.queues[name][cursor[name]])
            cursor[name] += 1

    def line(self, name, number, token=None):
        length = self.rng.choice((0, 1, 7, 8, 9, 30, 100, 1000))
        return self.rng.choice(PREFIXES) + message(name, number, length, token)

    def plant(self, **found):
        for what, count in found.items():
            self.planted[what] += count

    def any_line(self):
        """The place of a line that is neither the last of its producer (its loss would be seen only with --expect) nor
        short (so that each change of it is one)."""
        last = {queue[-1] for queue in self.queues.values()}
        return self.rng.choice([i for i, line in enumerate(self.lines) if line not in last and len(line) > 60])


def check(oracle, log, good, *options, files=1, with_expectations=True):
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "app.log")
        names = [f"{base}.{i}" for i in range(files - 1, 0, -1)] + [base]
        step = -(-len(log.lines) // files)
        for i, name in enumerate(names):
            text = "".join(line + "\n" for line in log.lines[i * step:(i + 1) * step])
            if name == base and getattr(log, "is_unfinished", False):
                text = text[:-1]
            with open(name, "w", encoding="utf-8") as f:
                f.write(text)
        expectations = []
        for name, count in log.expected.items() if with_expectations else ():
            expectations += ["--expect", f"{name}={count}"]
        done = subprocess.run([oracle, *expectations, *options, "--rotated", base], capture_output=True, text=True,
                              check=False)
    found = {key: int(value) for key, value in (line.split("=") for line in done.stdout.splitlines())}
    wrong = {k: (found.get(k), v) for k, v in log.planted.items() if found.get(k) != v}
    if found.get("lines") != len(log.lines):
        wrong["lines"] = (found.get("lines"), len(log.lines))
    if wrong or done.returncode != (0 if good else 1):
        raise AssertionError(f"exit status {done.returncode}; found, planted: {wrong}\n{done.stdout}{done.stderr}")


def clean_file_is_good(oracle, rng):
    check(oracle, Log(rng), True)
    check(oracle, Log(rng), True, with_expectations=False)


def rotated_files_are_read_oldest_first(oracle, rng):
    check(oracle, Log(rng), True, files=7)
    check(oracle, Log(rng), True, files=12)


def lost_line_is_counted(oracle, rng):
    log = Log(rng)
    for _ in range(3):
        del log.lines[log.any_line()]
        log.plant(lost=1)
    check(oracle, log, False)
    check(oracle, log, False, with_expectations=False)


def lost_last_line_is_known_only_if_expected(oracle, rng):
    log = Log(rng)
    log.lines.remove(log.queues["a"][-1])
    check(oracle, log, True, with_expectations=False)
    log.plant(lost=1)
    check(oracle, log, False)


def producer_that_is_missing_is_lost(oracle, rng):
    log = Log(rng)
    log.expected["nobody"] = 5
    log.plant(lost=5)
    check(oracle, log, False)


def cut_line_is_torn(oracle, rng):
    for _ in range(20):
        log = Log(rng)
        i = log.any_line()
        mark = log.lines[i].index("#")
        log.lines[i] = log.lines[i][:rng.randrange(mark + 1, len(log.lines[i]))]
        log.plant(torn=1, lost=1)
        check(oracle, log, False)


def line_without_its_beginning_is_foreign_and_lost(oracle, rng):
    log = Log(rng)
    i = log.any_line()
    log.lines[i] = log.lines[i][log.lines[i].index("#") + 1 + rng.randrange(10):]
    log.plant(foreign=1, lost=1)
    check(oracle, log, False)


def mixed_lines_are_torn(oracle, rng):
    for _ in range(20):
        log = Log(rng)
        i = log.any_line()
        j = next(j for j in range(len(log.lines)) if j != i and len(log.lines[j]) > 60)
        at = rng.randrange(log.lines[i].index("#") + 1, len(log.lines[i]))
        log.lines[i] = log.lines[i][:at] + log.lines[j]
        del log.lines[j]
        log.plant(torn=1, lost=2)
        check(oracle, log, False)


def swapped_tails_are_torn(oracle, rng):
    log = Log(rng)
    i, j = [i for i, line in enumerate(log.lines) if len(line) - line.index("#") > 50][:2]
    a, b = log.lines[i], log.lines[j]
    log.lines[i], log.lines[j] = a[:-20] + b[-20:], b[:-20] + a[-20:]
    log.plant(torn=2, lost=2)
    check(oracle, log, False)


def altered_byte_is_torn(oracle, rng):
    for _ in range(60):
        log = Log(rng)
        i = log.any_line()
        line = log.lines[i]
        at = rng.randrange(line.index("#") + 1, len(line))
        log.lines[i] = line[:at] + chr(ord(line[at]) ^ 1) + line[at + 1:]
        log.plant(torn=1, lost=1)
        check(oracle, log, False)


def last_line_without_newline_is_torn(oracle, rng):
    log = Log(rng)
    log.is_unfinished = True
    log.plant(torn=1, lost=1)
    check(oracle, log, False)


def doubled_line_is_counted(oracle, rng):
    log = Log(rng)
    log.lines.insert(0, log.queues["b.1"][0])
    log.lines.append(log.queues["a"][7])
    log.plant(doubled=2)
    check(oracle, log, False)
    check(oracle, log, True, "--allow-doubled")


def reordered_lines_of_a_producer_are_counted(oracle, rng):
    log = Log(rng)
    places = [log.lines.index(line) for line in log.queues["a"][10:12]]
    log.lines[places[0]], log.lines[places[1]] = log.lines[places[1]], log.lines[places[0]]
    log.plant(out_of_order=1)
    check(oracle, log, False)
    log = Log(rng)
    log.lines.remove(log.queues["a"][0])
    log.lines.append(log.queues["a"][0])
    log.plant(out_of_order=1)
    check(oracle, log, False)


def loss_line_that_covers_the_loss_is_good(oracle, rng):
    for text, count in (("1 record was lost: the ring was full", 1), ("4 records were lost: x", 4),
                        ("2 records were lost here: the reader was too slow", 2)):
        log = Log(rng)
        for _ in range(count):
            del log.lines[log.any_line()]
        log.lines.insert(rng.randrange(len(log.lines)), LOSS + text)
        log.plant(lost=count, counted_lost=count)
        check(oracle, log, True)


def loss_lines_are_added_up(oracle, rng):
    log = Log(rng)
    for _ in range(6):
        del log.lines[log.any_line()]
    for text in ("1 record was lost: x", "2 records were lost: y", "3 records were lost here: z"):
        log.lines.insert(rng.randrange(len(log.lines)), LOSS + text)
    log.plant(lost=6, counted_lost=6)
    check(oracle, log, True)


def loss_line_that_covers_too_little_or_too_much_is_bad(oracle, rng):
    for count in (2, 4):
        log = Log(rng)
        for _ in range(3):
            del log.lines[log.any_line()]
        log.lines.append(LOSS + f"{count} records were lost: x")
        log.plant(lost=3, counted_lost=count)
        check(oracle, log, False)


def loss_line_of_another_logger_is_foreign(oracle, rng):
    log = Log(rng)
    del log.lines[log.any_line()]
    log.lines.append("WARNING app 1 record was lost: x")
    log.lines.append("WARNING mplogger 1 record was lost: x")
    log.plant(lost=1, foreign=2)
    check(oracle, log, False)


def damage_is_bad(oracle, rng):
    log = Log(rng)
    log.lines.append(LOSS + "24 bytes were lost: the ring was damaged")
    log.lines.append(LOSS + "a damaged record of 48 bytes was skipped")
    log.plant(damaged=2)
    check(oracle, log, False)


def foreign_line_is_counted_and_no_fault(oracle, rng):
    log = Log(rng)
    log.lines.insert(3, "something else")
    log.lines.insert(5, "")
    log.plant(foreign=2)
    check(oracle, log, True)


def number_beyond_the_expected_ones_is_bad(oracle, rng):
    log = Log(rng)
    log.expected["a"] -= 2
    log.plant(unexpected=2)
    check(oracle, log, False)
    log = Log(rng)
    log.lines.append(message("stranger", 0, 3))
    log.plant(unexpected=1)
    check(oracle, log, False)


def killed_producer_may_have_logged_more(oracle, rng):
    log = Log(rng)
    del log.expected["a"]
    check(oracle, log, True, "--at-least", "a=38")
    check(oracle, log, True, "--at-least", "a=40")
    log.plant(lost=1)
    check(oracle, log, False, "--at-least", "a=41")


def hole_of_a_killed_producer_is_lost(oracle, rng):
    log = Log(rng)
    del log.expected["a"]
    log.lines.remove(log.queues["a"][38])
    log.plant(lost=1)
    check(oracle, log, False, "--at-least", "a=10")


def expectations_are_read_from_a_file(oracle, rng):
    log = Log(rng)
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as f:
        f.write("a 40\nb.1 40\nprocess-77.thread-3 >=12\n")
        f.flush()
        check(oracle, log, True, "--expect-file", f.name, with_expectations=False)
        f.write("c 1\n")
        f.flush()
        log.plant(lost=1)
        check(oracle, log, False, "--expect-file", f.name, with_expectations=False)


def hand_log(rng, tokens):
    log = Log(rng, 0)
    log.expected = {"left": len(tokens), "right": 0}
    log.lines = [log.line("left", i, token) for i, token in enumerate(tokens)]
    return log


def tokens_in_order_are_good(oracle, rng):
    check(oracle, hand_log(rng, [1, 2, 3, 5, 8]), True, "--handoffs")


def tokens_out_of_order_are_counted(oracle, rng):
    for tokens in ([1, 3, 2, 4], [1, 2, 2, 3], [5, 0, 6]):
        log = hand_log(rng, tokens)
        check(oracle, log, True)
        log.plant(handoffs=1)
        check(oracle, log, False, "--handoffs")


def damaged_token_is_torn(oracle, rng):
    for tail in (" token", " token ", " token 1x", " token 1 ", " tokem 1", "x"):
        log = hand_log(rng, [1, 2, 3])
        log.lines[1] = message("left", 1, 10) + tail
        log.plant(torn=1, lost=1)
        check(oracle, log, False, "--handoffs")


def empty_file_is_good_if_nothing_is_expected(oracle, rng):
    log = Log(rng, 0)
    check(oracle, log, True)


def wrong_usage_exits_2(oracle, rng):
    del rng
    for arguments in ([], ["--what", "x"], ["--expect", "a=x", "/dev/null"], ["--expect"], ["/nonexistent/file"]):
        done = subprocess.run([oracle, *arguments], capture_output=True, check=False)
        assert done.returncode == 2, arguments


TESTS = (
    clean_file_is_good, rotated_files_are_read_oldest_first, lost_line_is_counted,
    lost_last_line_is_known_only_if_expected, producer_that_is_missing_is_lost, cut_line_is_torn,
    line_without_its_beginning_is_foreign_and_lost, mixed_lines_are_torn, swapped_tails_are_torn, altered_byte_is_torn,
    last_line_without_newline_is_torn, doubled_line_is_counted, reordered_lines_of_a_producer_are_counted,
    loss_line_that_covers_the_loss_is_good, loss_lines_are_added_up,
    loss_line_that_covers_too_little_or_too_much_is_bad,
    loss_line_of_another_logger_is_foreign, damage_is_bad, foreign_line_is_counted_and_no_fault,
    number_beyond_the_expected_ones_is_bad, killed_producer_may_have_logged_more, hole_of_a_killed_producer_is_lost,
    expectations_are_read_from_a_file, tokens_in_order_are_good, tokens_out_of_order_are_counted, damaged_token_is_torn,
    empty_file_is_good_if_nothing_is_expected, wrong_usage_exits_2,
)


def main():
    failures = 0
    print(f"1..{len(TESTS)}", flush=True)
    for number, test in enumerate(TESTS, 1):
        seed = random.randrange(2**32)
        try:
            test(sys.argv[1], random.Random(seed))
            print(f"ok {number} - {test.__name__}", flush=True)
        except AssertionError as error:
            failures += 1
            print(f"not ok {number} - {test.__name__}", flush=True)
            for line in f"seed {seed}: {error}".splitlines():
                print("# " + line, flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
