# SPDX-License-Identifier: Unlicense
"""What others may try: names that are taken, links, a forged environment, another version, texts that are no texts."""
import os
import re
import shutil
import stat
import struct
import subprocess

from support import Skip, check, files_below, processes_naming, wait_until

NOBODY = 65534
HEX = "0123456789abcdef" * 2


def sessions_folder(t, uid=None):
    return os.path.join(t.ring_dir, f"mplog-{os.geteuid() if uid is None else uid}")


def need_root():
    if os.geteuid() != 0:
        raise Skip("needs root, to be two users")


def setup_fails(t, *words, environment=(), arguments=(), **options):
    """With a sentence that has these words; nothing was made beside what was there."""
    def times():
        return {path: os.lstat(path).st_mtime_ns for path in files_below(t.dir) + files_below(t.ring_dir)
                if path != t.log_dir and not os.path.basename(path).startswith(("out", "err"))}
    before = times()
    program = t.special("setup", *arguments, mplog=options, env={**t.env, **dict(environment)})
    values = program.wait().values()
    check(int(values["rc"]) < 0 and values["is_setup"] == "0", values)
    missing = [word for word in words if word not in values["error"]]
    check(not missing, values["error"], "lacks", missing)
    after = times()
    check(after == before, "changed:", set(after.items()) ^ set(before.items()))


# ---- names that are taken ----

def folder_that_is_a_link_is_refused(t):
    elsewhere = os.path.join(t.dir, "elsewhere")
    os.mkdir(elsewhere, 0o700)
    os.symlink(elsewhere, sessions_folder(t))
    setup_fails(t, sessions_folder(t))
    check(os.listdir(elsewhere) == [], os.listdir(elsewhere))
    os.unlink(sessions_folder(t))


def folder_that_is_a_file_is_refused(t):
    with open(sessions_folder(t), "w", encoding="utf-8"):
        pass
    setup_fails(t, sessions_folder(t), "Not a directory")
    os.unlink(sessions_folder(t))


def folder_that_is_open_to_others_is_refused(t):
    for mode in (0o777, 0o750, 0o701):
        os.mkdir(sessions_folder(t))
        os.chmod(sessions_folder(t), mode)
        setup_fails(t, sessions_folder(t), "is open to other users", f"{mode:03o}",
                    "chmod 700")
        check(stat.S_IMODE(os.stat(sessions_folder(t)).st_mode) == mode, "its mode was changed")
        os.rmdir(sessions_folder(t))


def folder_of_another_user_is_refused(t):
    need_root()
    os.mkdir(sessions_folder(t), 0o700)
    os.chown(sessions_folder(t), NOBODY, NOBODY)
    setup_fails(t, sessions_folder(t), "belongs to another user", str(NOBODY))
    os.rmdir(sessions_folder(t))


def name_that_another_user_took_leads_to_the_next_place(t):
    """Without ring_dir: /dev/shm/mplog-<uid> is taken, so it is the user's run directory."""
    need_root()
    taken, run = f"/dev/shm/mplog-{NOBODY}", os.path.join(t.ring_dir, "run")
    os.mkdir(taken, 0o700)
    try:
        os.mkdir(run, 0o700)
        os.chown(run, NOBODY, NOBODY)
        os.chown(t.log_dir, NOBODY, NOBODY)
        helper = os.path.join(t.dir, "mplog")
        shutil.copy(t.bench.helper, helper)
        env = {key: value for key, value in t.env.items() if key != "MPLOG_RING_DIR"}
        env.update(XDG_RUNTIME_DIR=run, MPLOG_HELPER=helper)
        values = t.special("setup", f"uid={NOBODY}", env=env).wait().values()
        check(values["rc"] == "0", values)
        check(os.listdir(taken) == [], os.listdir(taken))
        wait_until(lambda: not os.listdir(run), 3, "the session in the run directory has gone")
        os.rmdir(run)
    finally:
        shutil.rmtree(taken)


# ---- other users ----

def as_nobody(*command, env):
    return subprocess.run(["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", *command], env=env,
                          capture_output=True, text=True, check=False, timeout=10)


def session_is_closed_to_another_user(t):
    """He can neither look, join, wake nor recover; and his own records do not come into the log."""
    need_root()
    os.chmod(t.ring_dir, 0o777)
    helper, special = (os.path.join(t.dir, name) for name in ("mplog", "special"))
    shutil.copy(t.bench.helper, helper)
    shutil.copy(t.bench.special, special)
    producer = t.produce("--records", 20, "--hold-ms", 1500)
    t.wait_for_calls(20)
    session = t.sessions()[0]
    env = {**t.env, "MPLOG_HELPER": helper, "MPLOG_SESSION": f"dir={session};log_file={t.log};level=10;"}
    for path in [session, *(os.path.join(session, name) for name in os.listdir(session))]:
        done = as_nobody("cat", path, env=env)
        check("Permission denied" in done.stderr, path, done)
    check(as_nobody(helper, "stat", env=env).stdout == "", "he sees the session")
    check("recovered" not in as_nobody(helper, "recover", env=env).stdout)
    done = as_nobody(special, "zero", env=env)
    check(done.returncode == 0 and "zero warning" in done.stderr, done)
    producer.wait()
    t.check_log()
    check("zero" not in t.read_log(), "his records are in the log")
    theirs = sessions_folder(t, NOBODY)
    wait_until(lambda: not os.path.exists(theirs), 2, "what he had is gone")


# ---- a forged environment ----

def forged_session_leads_nowhere(t):
    t.may_complain = True
    outside = os.path.join(t.dir, "outside")
    os.makedirs(os.path.join(outside, f"mplog-{os.geteuid()}", HEX))
    os.symlink("/etc", os.path.join(outside, f"mplog-{os.geteuid()}", HEX[::-1]))
    before = sorted(files_below(outside))
    own = f"/mplog-{os.geteuid()}/"
    for value in ("", "x", "dir=", "dir=/", "dir=/etc/passwd;", "dir=" + "a" * 100000, "dir=;" * 1000,
                  f"dir={t.ring_dir}/../..{own}{HEX};", f"dir=relative{own}{HEX};", f"dir={outside}{own}{HEX[:-1]};",
                  f"dir={outside}{own}{HEX}/..;", f"dir={outside}/mplog-4242/{HEX};",
                  f"dir={outside}{own}{HEX};level=x;", f"dir={outside}{own}{HEX[::-1]};",
                  "\udcff\udcfe=;", "dir=%s%n%s;level=%d;"):
        program = t.start(t.bench.special, "zero", env={**t.env, "MPLOG_SESSION": value}).wait()
        check("zero warning" in program.stderr() and "zero error" in program.stderr(), repr(value[:80]),
              program.stderr())
        check("AddressSanitizer" not in program.stderr(), program.stderr())
    check(sorted(files_below(outside)) == before, set(files_below(outside)) ^ set(before))
    shutil.rmtree(outside)


def forged_helper_that_serves_nothing_is_replaced_by_a_thread(t):
    """One that ends at once. The program ends before an exit's 5 s are over, and its records are in the file."""
    helper = os.path.join(t.dir, "forged")
    with open(helper, "w", encoding="utf-8") as f:
        f.write("#!/bin/sh\nexit 0\n")
    os.chmod(helper, 0o755)
    value = f"dir={sessions_folder(t)}/{HEX};level=20;log_file={t.log};log_to_stderr=false;helper={helper};"
    program = t.start(t.bench.special, "zero", env={**t.env, "MPLOG_SESSION": value}).wait()
    check(program.took < 4.5 and not program.stderr(), program.took, program.stderr())
    check("zero error" in t.read_log(), t.read_log())


def what_is_wrong_with(t):
    """Values of MPLOG_SESSION that are not to be followed, and what is said of each."""
    def place(name, uid, content, owner=None):
        folder = os.path.join(t.dir, "forged", name, f"mplog-{uid}", HEX)
        os.makedirs(folder, 0o700)
        with open(os.path.join(folder, "control"), "wb") as f:
            f.write(content)
        if owner is not None:
            os.chown(folder, owner, owner)
        return f"dir={folder};level=20;log_file={t.log};log_to_stderr=false;"
    os.makedirs(os.path.join(t.dir, "forged"))
    uid = os.geteuid()
    yield "garbage", "is damaged"
    yield "\udcff\udcfe\x01;=", "is damaged"
    yield "dir=/etc;level=20;", "is damaged"
    yield "dir=/nonexist;level=20;", "is damaged"
    yield place("random", uid, bytes(range(256)) * 20), "is not one of mplog's"
    yield place("other", uid, b"MPLG"), "is not one of mplog's"
    yield place("theirs", NOBODY, b""), "another user"
    if uid == 0:
        yield place("stolen", uid, b"", NOBODY), "another user"
    yield f"dir={t.dir}/forged{'/mplog-%d/' % uid}{HEX};level=x;", '"x" is not a level'


def session_that_is_not_followed_is_told(t):
    """With set-up in the log, as the first line and once; without, on stderr."""
    for value, words in what_is_wrong_with(t):
        env = {**t.env, "MPLOG_SESSION": value}
        for options in ({}, {"log_file": t.log + ".1"}):
            program = t.special("setup", mplog={**options, "log_to_stderr": "false"}, env=env)
            check(program.wait().values()["rc"] == "0", repr(value), program.values())
            t.wait_until_gone()
            path = options.get("log_file", t.log)
            with open(path, encoding="utf-8") as f:
                log = f.read()
            check(log.count("MPLOG_SESSION is not followed") == 1 and "WARNING  mplog" in log and words in log,
                  repr(value), log)
            os.remove(path)
        program = t.start(t.bench.special, "zero", env=env)
        program.may_complain = True
        text = program.wait().stderr()
        check(text.count("mplog: ") == 1 and words in text, repr(value), text)
        t.wait_until_gone()
    shutil.rmtree(os.path.join(t.dir, "forged"))


def session_that_has_ended_is_no_reason_for_a_word(t):
    for uid in (os.geteuid(), NOBODY):
        value = f"dir={t.ring_dir}/mplog-{uid}/{HEX};level=20;log_file={t.log};log_to_stderr=false;"
        env = {**t.env, "MPLOG_SESSION": value}
        for options in ({"log_file": t.log}, {"log_file": t.log + ".1"}):
            check(t.special("setup", mplog=options, env=env).wait().values()["rc"] == "0")
            t.wait_until_gone()
            check(all("MPLOG_SESSION" not in open(path, encoding="utf-8").read() for path in files_below(t.log_dir)))
        program = t.start(t.bench.special, "zero", env=env)
        program.may_complain = uid == NOBODY  # a default session writes its lines there
        text = program.wait().stderr()
        t.wait_until_gone()
        check("mplog: " not in text and "MPLOG_SESSION" not in text, text)


# ---- another version ----

def member_of_another_version_is_refused_and_others_go_on(t):
    """The layout of a running session is another one than the joiner's."""
    producer = t.produce("--records", -1, "--rate", 1000, "--processes", 2)
    t.wait_for_calls(50)
    control = os.path.join(t.sessions()[0], "control")
    with open(control, "r+b") as f:
        f.seek(4)
        version = f.read(4)
        f.seek(4)
        f.write(struct.pack("<I", 999))
        f.flush()
        env = {**t.env, "MPLOG_SESSION": f"dir={t.sessions()[0]};log_file={t.log};"
               "log_to_stderr=false;max_bytes=0;"}
        joiner = t.start(t.bench.special, "zero", env=env)
        joiner.may_complain = True
        text = joiner.wait().stderr()
        check("another version" in text and "999" in text and text.count("\n") == 1, text)
        f.seek(4)
        f.write(version)
        f.flush()
    wait_until(lambda: len(t.sessions()) == 1, 3, "the session that it had instead is over")
    check("zero info" in t.read_log() and "text critical" in t.read_log(), "its records are not in the file")
    before = t.returned()
    t.wait_for_calls(before + 100)
    t.tell_producers_to_stop()
    producer.wait()
    t.check_log(foreign=5)


# ---- texts that are no texts ----

ODD = ("%s%s%s%n%p%999999999d %(message)s %% {0} $(id)\n2026-01-01 00:00:00,000 CRITICAL root forged\r\n"
       "\x1b[2J\x1b]0;title\x07\x1b[31mred\x1b[0m\x08\x7f\u0085\u009b2J\u2028end")


def said(t, escape):
    t.special("say", ODD, mplog={"escape": escape, "file_mode": "w", "format_string":
                                 "<%(name)s|%(processName)s|%(threadName)s> %(message)s"}).wait()
    t.wait_until_gone()
    return t.read_log()


def texts_of_strangers_are_shown_as_they_are(t):
    """No text is ever a format, wherever it stands."""
    log = said(t, "none")
    check(log.count(ODD) == 3, "message, text and logger:", log)
    check(log.count(ODD[:40]) >= 5, "cut names of thread and process:", log)


def texts_of_strangers_cannot_drive_a_terminal(t):
    log = said(t, "control")
    found = set(re.findall(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", log.replace("\x1b[31m", "").replace("\x1b[0m", "")))
    check(not found, "control characters:", found, log)
    check("\\x1b[2J\\x1b]0;title\\x07\x1b[31mred\x1b[0m\\x08\\x7f\\x85\\x9b2J" in log or
          "\\x1b[2J\\x1b]0;title\\x07\x1b[31mred\x1b[0m\\x08\\x7f" in log, log)


def texts_of_strangers_cannot_forge_a_line_when_strict(t):
    log = said(t, "strict")
    lines = log.split("\n")
    check(len(lines) == 6 and lines[5] == "", "5 records and", len(lines) - 1, "lines:", log)
    check(all(line.startswith("<") for line in lines[:5]), log)
    check(not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]", log), log)


CASES = (
    folder_that_is_a_link_is_refused, folder_that_is_a_file_is_refused, folder_that_is_open_to_others_is_refused,
    folder_of_another_user_is_refused, name_that_another_user_took_leads_to_the_next_place,
    session_is_closed_to_another_user, forged_session_leads_nowhere,
    forged_helper_that_serves_nothing_is_replaced_by_a_thread,
    session_that_is_not_followed_is_told, session_that_has_ended_is_no_reason_for_a_word,
    member_of_another_version_is_refused_and_others_go_on, texts_of_strangers_are_shown_as_they_are,
    texts_of_strangers_cannot_drive_a_terminal, texts_of_strangers_cannot_forge_a_line_when_strict,
)
