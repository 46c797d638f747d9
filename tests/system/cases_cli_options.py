# SPDX-License-Identifier: Unlicense
"""Options, on the command line and in the environment; what is said of them, and what is said when they are wrong."""
import os
import re
import shutil
import subprocess

from cli_support import SOURCE, check_equal
from support import check

HEADER = os.path.join(SOURCE, "include", "mplog.h")
MAN_PAGE = os.path.join(SOURCE, "docs", "mplog.1")


def fields():
    """name -> type, of struct mplog_options."""
    with open(HEADER, encoding="utf-8") as f:
        body = re.search(r"struct mplog_options \{(.*?)\n\};", f.read(), re.S).group(1)
    found = re.findall(r"^    (const char\s+\*|int |bool |long long )(\w+);", body, re.M)
    return {name: kind.strip() for kind, name in found if name != "binding"}  # which is for bindings


VALUES = {"log_file": "y.log", "format_string": "%(message)s", "date_format": "%H", "file_mode": "w", "level": "debug",
          "file_encoding": "latin-1", "overflow": "drop", "escape": "strict", "collector": "thread", "fsync": "error",
          "max_bytes": "3M", "ring_max_bytes": "1M", "ring_budget_bytes": "2M", "backup_count": "2",
          "block_timeout_ms": "7"}


def options_are_all_fields_in_two_spellings(place):
    names = fields()
    check(len(names) >= 18, names)
    values = {**VALUES, "helper": place.command, "ring_dir": place.ring_dir, "log_to_stderr": None, "utc": None}
    for name, kind in names.items():
        option = "--" + name.replace("_", "-")
        value = values[name]
        spellings = [[option, value], [f"{option}={value}"]]
        if kind == "bool":
            spellings = [[option], [option + "=yes"], ["--no-" + option[2:]], [option + "=false"], ["--no-stderr"]]
        for words in spellings:
            for command in (["pipe"], ["run"]):
                got = place.mplog(*command, "--log-file", "y.log", *words, *(["true"] if command == ["run"] else []))
                check_equal(got, (0, b"", b""), f"{words}")


def options_are_all_in_help_and_man_page(place):
    status, out, err = place.mplog("--help")
    check_equal((status, err), (0, b""))
    page = place.read(MAN_PAGE).decode().replace("\\-", "-")
    for name in [*fields(), "name", "record_level", "no_stderr"]:
        option = "--" + name.replace("_", "-")
        check(re.search(re.escape(option) + r"\b", out.decode()), f"{option} is not in the help")
        check(re.search(re.escape(option) + r"\b", page), f"{option} is not in the man page")
    check(all(len(line) < 80 for line in out.decode().split("\n")), "the help has long lines")
    check(b"collect " not in out, "the help shows what is internal")
    for option in ("--json", "--dry-run"):
        check(option in out.decode() and option in page, option)
    for words in (["-h"], ["run", "--help"], ["pipe", "-h"], ["run", "--level", "INFO", "--help", "x"],
                  ["stat", "--help"], ["recover", "--dry-run", "-h"]):
        check_equal(place.mplog(*words), (0, out, b""))


def options_have_an_effect(place):
    place.pipe(b"x" * 100 + b"\n" + b"y" * 100 + b"\n", "--max-bytes=150")
    check_equal(place.read_rotated()[1], 1, "backups")
    place.pipe(b"z\n", "--file-mode=w")
    check_equal(place.lines(), [b"z"])
    place.pipe(b"z\n", "--level", "WARNING")
    check_equal(place.lines(), [b"z"])
    for option in ("--no-log-to-stderr", "--log-to-stderr=off"):
        check_equal(place.mplog("pipe", option, "--log-file", "z.log", text=b"x\n"), (0, b"", b""))
    check(place.mplog("pipe", "--no-stderr", "--log-to-stderr", text=b"x\n")[2], "the last one does not win")


def run_level_selects_the_stream(place):
    check_equal(place.run("sh", "-c", "echo out; echo err >&2", options=["--level", "WARNING"]), (0, b""))
    check_equal(place.messages(), [b"err"])


WRONG = [
    ([], "what to do?"),
    (["--bogus"], "there is no option --bogus"),
    (["jog"], "there is no command jog"),
    (["run"], "run needs a command"),
    (["run", "--"], "run needs a command"),
    (["run", "--no-stderr"], "run needs a command"),
    (["run", "--no-stderr", "true"], "the log goes nowhere"),
    (["pipe", "--log-to-stderr=no"], "the log goes nowhere"),
    (["run", "--bogus", "x"], "there is no option --bogus"),
    (["run", "--bogus=3", "x"], "there is no option --bogus=3"),
    (["run", "-x", "true"], "there is no option -x"),
    (["run", "--name", "x", "true"], "there is no option --name"),
    (["run", "--no-level", "true"], "there is no option --no-level"),
    (["run", "--no-stderr=1", "true"], "--no-stderr=1"),
    (["run", "--max-bytes"], "--max-bytes needs a value"),
    (["run", "--max-bytes", "10X", "true"], 'max_bytes: "10X"'),
    (["run", "--max-bytes=", "true"], 'max_bytes: ""'),
    (["run", "--max-bytes=-1", "true"], "max_bytes: -1"),
    (["run", "--backup-count", "many", "true"], 'backup_count: "many"'),
    (["run", "--log-to-stderr=perhaps", "true"], 'log_to_stderr: "perhaps"'),
    (["run", "--level", "LOUD", "true"], 'level: "LOUD"'),
    (["run", "--overflow", "explode", "true"], 'overflow: "explode"'),
    (["run", "--log-file", "", "true"], "log_file"),
    (["run", "--log-file", "/nowhere/x.log", "true"], "/nowhere/x.log"),
    (["run", "--format-string", "%(nothing)s", "true"], "nothing"),
    (["run", "--helper", "/nowhere/mplog", "true"], "/nowhere/mplog"),
    (["pipe", "x"], "pipe takes no arguments: x"),
    (["pipe", "--record-level", "LOUD"], 'record_level: "LOUD"'),
    (["pipe", "--name"], "--name needs a value"),
    (["stat", "--bogus"], "there is no option --bogus"),
    (["stat", "a.log", "b.log"], "b.log"),
    (["recover", "--json"], "there is no option --json"),
    (["recover", "a", "b"], "b is too many"),
]


def options_that_are_wrong_are_named(place):
    for words, sentence in WRONG:
        status, out, err = place.mplog(*words)
        lines = err.decode().split("\n")
        check_equal((status, out, len(lines)), (100, b"", 3), f"{words} {err}")
        check(lines[0].startswith("mplog: ") and sentence in lines[0], f"{words}: {lines[0]}")
        check("mplog --help" in lines[1], lines[1])


def pipe_without_outputs_joins_a_session_that_has_some(place):
    """By its variable, and where that is missing by its parents."""
    for before in ("", "unset MPLOG_SESSION; "):
        script = f"unset MPLOG_LOG_FILE; {before}echo x | $MPLOG pipe --no-stderr"
        check_equal(place.run("sh", "-c", script), (0, b""))
        check_equal(place.messages(), [b"x"])
        os.unlink(place.log)
    status, _, err = place.mplog("pipe", text=b"x\n", env={"MPLOG_LOG_TO_STDERR": "false"})
    check(status == 100 and b"the log goes nowhere" in err, err)


def options_that_the_system_refuses_are_111(place):
    status, _, err = place.mplog("run", "--log-file", place.dir, "true")
    check_equal(status, 111)
    sentence = r"mplog: fatal: unable to set up logging: .*" + re.escape(place.dir) + r".*\n"
    check(re.fullmatch(sentence, err.decode()), err)
    with open("/dev/full", "wb") as full:
        for word in ("--help", "--version"):
            p = place.start(word, stdout=full)
            err = p.communicate()[1]
            check_equal(p.returncode, 111, word)
            check(b"No space left" in err, err)


def version_is_shown(place):
    version = re.search(rb'MPLOG_VERSION "(.*)"', place.read(HEADER)).group(1)
    check_equal(place.mplog("--version"), (0, b"mplog %s\n" % version, b""))


def environment_holds_where_the_command_line_is_silent(place):
    env = {"MPLOG_LOG_FILE": place.log, "MPLOG_LOG_TO_STDERR": "0", "MPLOG_FORMAT_STRING": "env %(message)s"}
    check_equal(place.mplog("pipe", text=b"x\n", env=env), (0, b"", b""))
    check_equal(place.lines(), [b"env x"])


def environment_is_overruled_by_the_command_line(place):
    env = {"MPLOG_LOG_FILE": "/nowhere/x", "MPLOG_LOG_TO_STDERR": "1", "MPLOG_FORMAT_STRING": "env %(message)s",
           "MPLOG_MAX_BYTES": "wrong", "MPLOG_LEVEL": "CRITICAL"}
    check_equal(place.mplog("pipe", "--log-file", "x.log", "--no-stderr", "--format-string", "typed %(message)s",
                            "--max-bytes", "1M", "--level=INFO", text=b"x\n", env=env), (0, b"", b""))
    check_equal(place.lines(), [b"typed x"])


def environment_shows_children_what_was_typed(place):
    check_equal(place.run("sh", "-c", "echo $MPLOG_MAX_BYTES $MPLOG_LOG_TO_STDERR $MPLOG_LOG_FILE",
                          options=["--max-bytes", "5M"]), (0, b""))
    check_equal(place.messages()[0], b"5M false " + place.log.encode())


def environment_that_is_wrong_is_named(place):
    status, _, err = place.mplog("run", "true", env={"MPLOG_MAX_BYTES": "wrong"})
    check_equal(status, 100)
    check(b"MPLOG_MAX_BYTES" in err and b"wrong" in err, err)


def man_page_has_no_warnings(place):
    env = {**os.environ, "MANPAGER": "cat", "LC_ALL": "C.UTF-8"}
    for command in (["man", "--warnings", "-l", MAN_PAGE], ["groff", "-ww", "-man", "-Tutf8", MAN_PAGE]):
        if shutil.which(command[0]):
            got = subprocess.run(command, capture_output=True, env=env, stdin=subprocess.DEVNULL, check=False)
            check_equal((got.returncode, got.stderr), (0, b""), command[0])
    for section in (b"OPTIONS", b"ENVIRONMENT", b"EXIT STATUS", b"EXAMPLES", b"FILES", b"INTERNALS"):
        check(b"\n.SH %s\n" % section in place.read(MAN_PAGE), section, "is missing")


CASES = (
    options_are_all_fields_in_two_spellings, options_are_all_in_help_and_man_page, options_have_an_effect,
    run_level_selects_the_stream, options_that_are_wrong_are_named,
    pipe_without_outputs_joins_a_session_that_has_some, options_that_the_system_refuses_are_111,
    version_is_shown, environment_holds_where_the_command_line_is_silent,
    environment_is_overruled_by_the_command_line, environment_shows_children_what_was_typed,
    environment_that_is_wrong_is_named, man_page_has_no_warnings,
)
