# SPDX-License-Identifier: Unlicense
"""Python and C in one session: who starts whom, they hand a token to and fro, and the file has it in order."""
import os
import sys

import support
import tally
from support import Folder, equal, run, test, true

BUILD = os.path.dirname(support.FOLDER)
PARTNER = os.path.join(BUILD, "tests", "system", "partner")
ORACLE = os.path.join(BUILD, "tests", "oracle", "oracle")
TOKENS = 20000 if support.IS_LONG else 2000

PASS_TOKEN = """
import os, struct, subprocess, sys
import numbered
from mplog import get_logger, setup_logging

def pass_token(into, out, tokens):
    log, sequence = get_logger("py"), 0
    while True:
        data = os.read(into, 4)
        token = struct.unpack("I", data)[0] if data else tokens
        if token >= tokens:
            return
        log.info(numbered.FORMAT + " token %d", *(numbered.arguments("py", sequence) + (token,)))
        sequence += 1
        os.write(out, struct.pack("I", token + 1))
"""


def check(folder, result):
    equal((result.status, result.err[-2000:]), (0, ""))
    support.wait_until(lambda: not support.sessions_left(folder), "a session is left")
    half = TOKENS // 2
    found, text = tally.judge(ORACLE, {"c": half, "py": half}, folder.file("app.log"), options=["--handoffs"])
    equal([found[key] for key in ("status", "payloads", "handoffs")], [0, TOKENS, 0], text)


def run_with_numbered(program, folder, *args):
    return run(program, folder, args, PYTHONPATH=os.pathsep.join([support.FOLDER, support.HERE]))


@test
def c_worker_that_python_starts_writes_into_its_log_in_order():
    with Folder() as folder:
        result = run_with_numbered(PASS_TOKEN + """
setup_logging(log_file="app.log", log_to_stderr=False, max_bytes=0)
child = subprocess.Popen(sys.argv[1:3], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
child.stdin.write(struct.pack("I", 0))
child.stdin.flush()
pass_token(child.stdout.fileno(), child.stdin.fileno(), int(sys.argv[2]))
child.stdin.close()
sys.exit(child.wait())
""", folder, PARTNER, TOKENS)
        check(folder, result)


@test
def python_worker_that_c_starts_writes_into_its_log_in_order():
    with Folder() as folder:
        child = folder.file("child.py")
        with open(child, "w") as f:
            f.write(PASS_TOKEN + "pass_token(0, 1, int(sys.argv[1]))\n")
        result = run_with_numbered("""
import os, subprocess, sys
package, partner, tokens, child = sys.argv[1:]
os.environ["MPLOG_HELPER"] = package + "/mplog/mplog"
sys.exit(subprocess.call([partner, tokens, "app.log", sys.executable, child, tokens]))
""", folder, support.FOLDER, PARTNER, TOKENS, child)
        check(folder, result)


@test
def c_worker_has_the_level_and_the_format_of_its_python_parent():
    with Folder() as folder:
        result = run("""
import subprocess, sys
import mplog
mplog.setup_logging(level="WARNING", log_file="app.log", log_to_stderr=False, format_string="{name}|{message}",
                    style="{")
mplog.get_logger("py").warning("before")
for level in ("ERROR", "INFO"):
    subprocess.run([sys.argv[1], "pipe", "--record-level", level], input=level.encode(), check=True)
mplog.get_logger("py").warning("after")
""", folder, [os.path.join(support.FOLDER, "mplog", "mplog")])
        equal((result.status, result.err), (0, ""))
        lines = folder.lines("app.log")
        true(lines[0] == "py|before" and lines[-1] == "py|after", lines)
        equal(lines[1:-1], ["stdin|ERROR"])


if __name__ == "__main__":
    sys.exit(support.main())
