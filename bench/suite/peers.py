# SPDX-License-Identifier: Unlicense
"""The other loggers: the same program, compiled for each of them. Only for benchmarks, never by a plain build."""
import glob
import os
import subprocess

# Name; header below bench/loggers; what shows that it is installed; Debian package; language; further flags.
PEERS = {
    "fprintf": ("plain.h", None, None, "c", []),
    "write": ("plain.h", None, None, "c", ["-DPLAIN_WRITE"]),
    "spdlog": ("spdlog.h", "/usr/include/spdlog/spdlog.h", "libspdlog-dev", "c++",
               ["-DSPDLOG_COMPILED_LIB", "-DSPDLOG_FMT_EXTERNAL", "-lspdlog", "-lfmt"]),
    "spdlog_async": ("spdlog.h", "/usr/include/spdlog/spdlog.h", "libspdlog-dev", "c++",
                     ["-DSPDLOG_ASYNC", "-DSPDLOG_COMPILED_LIB", "-DSPDLOG_FMT_EXTERNAL", "-lspdlog", "-lfmt"]),
    "log4cplus": ("log4cplus.h", "/usr/include/log4cplus/logger.h", "liblog4cplus-dev", "c++", ["-llog4cplus"]),
    "glog": ("glog.h", "/usr/include/glog/logging.h", "libgoogle-glog-dev", "c++", ["-lglog"]),
    "boost": ("boost.h", "/usr/include/boost/log/core.hpp", "libboost-log-dev", "c++",
              ["-DBOOST_LOG_DYN_LINK", "-DBOOST_ALL_DYN_LINK", "-lboost_log", "-lboost_thread", "-lboost_system"]),
    "libqb": ("libqb.h", "/usr/include/qb/qblog.h", "libqb-dev", "c", ["-lqb"]),
    "lttng": ("lttng.h", "/usr/include/*/lttng/tracepoint.h", "liblttng-ust-dev", "c", ["-llttng-ust", "-ldl"]),
    "syslog": ("syslog.h", "/usr/sbin/rsyslogd", "rsyslog", "c", []),
}
# The shared library of each, for the comparison of sizes.
LIBRARIES = {
    "spdlog": "libspdlog.so", "log4cplus": "liblog4cplus.so", "glog": "libglog.so", "boost": "libboost_log.so",
    "libqb": "libqb.so", "lttng": "liblttng-ust.so",
}


def sources(root):
    return glob.glob(os.path.join(root, "bench", "*.[ch]")) + glob.glob(os.path.join(root, "bench", "loggers", "*.h"))


def is_current(program, root):
    if not os.path.exists(program):
        return False
    return os.path.getmtime(program) > max(os.path.getmtime(path) for path in sources(root))


def compile_one(runner, name):
    """The program of that peer, or None and a complaint."""
    header, marker, package, language, flags = PEERS[name]
    program = os.path.join(runner.build, "bench", "peer_" + name)
    if marker and not glob.glob(marker):
        runner.problem("%s is not measured: %s is missing (Debian package %s)" % (name, marker, package))
        return None
    if is_current(program, runner.root):
        return program
    runner.progress("compiling the program for %s" % name)
    compiler = {"c": ["cc", "-std=gnu11"], "c++": ["c++", "-std=gnu++17", "-x", "c++"]}[language]
    # -w: what is to be warned of in our own code shows in the build of mplog's program.
    command = compiler + ["-O2", "-w", "-D_GNU_SOURCE", "-I" + os.path.join(runner.root, "bench"),
                          '-DBENCH_LOGGER="loggers/%s"' % header, os.path.join(runner.root, "bench", "bench_logger.c"),
                          "-o", program, "-pthread"] + flags
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          universal_newlines=True)
    runner.progress("")
    if done.returncode != 0:
        runner.problem("%s is not measured: its program does not compile:\n%s" % (name, done.stdout[-2000:]))
        return None
    return program


class Peers:
    """name -> program, compiled at first need."""

    def __init__(self, runner):
        self.runner = runner
        self.programs = {}

    def program(self, name):
        if name not in self.programs:
            self.programs[name] = compile_one(self.runner, name)
        return self.programs[name]

    def available(self, *names):
        return [name for name in names if self.program(name)]
