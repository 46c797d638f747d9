# SPDX-License-Identifier: Unlicense
"""A trace session of our own for LTTng-UST: its daemon in a home of its own, ended by the process id we started."""
import os
import shutil
import signal
import subprocess
import tempfile
import time


class Trace:
    def __init__(self, runner):
        self.runner = runner
        self.home = tempfile.mkdtemp(prefix="mplog-bench-lttng-", dir=os.environ.get("TMPDIR", "/tmp"))
        self.env = dict(runner.env, LTTNG_HOME=self.home, LTTNG_UST_REGISTER_TIMEOUT="3000")
        self.daemon = None

    def command(self, *words):
        done = subprocess.run(["lttng", "--no-sessiond"] + list(words), env=self.env, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=20, universal_newlines=True)
        return done.returncode == 0, done.stdout

    def __enter__(self):
        """The environment for the traced program, or None: it cannot be traced here."""
        if not shutil.which("lttng-sessiond") or not shutil.which("lttng"):
            self.runner.problem("LTTng-UST is not measured: no lttng-sessiond (Debian package lttng-tools)")
            return None
        if os.path.exists("/var/run/lttng/lttng-sessiond.pid"):
            self.runner.problem("LTTng-UST is not measured: a session daemon of this system is running")
            return None
        self.daemon = subprocess.Popen(["lttng-sessiond", "--no-kernel"], env=self.env, stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        steps = (["create", "bench", "--output=" + self.home], ["enable-event", "-u", "mplog_bench:constant"],
                 ["enable-event", "-u", "mplog_bench:values"], ["enable-event", "-u", "mplog_bench:text"], ["start"])
        for step in steps:
            for _ in range(50):
                is_good, output = self.command(*step)
                if is_good:
                    break
                time.sleep(0.1)
            if not is_good:
                self.runner.problem("LTTng-UST is not measured: lttng %s: %s" % (step[0], output.strip()))
                return None
        return self.env

    def __exit__(self, *unused):
        if self.daemon:
            self.command("destroy", "bench")
            self.daemon.send_signal(signal.SIGTERM)
            self.daemon.wait(20)
        shutil.rmtree(self.home, ignore_errors=True)
