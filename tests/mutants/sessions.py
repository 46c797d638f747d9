# SPDX-License-Identifier: Unlicense
"""Rows 36 to 40, 47, 57, 63, 73, 74, 77 and 78 of docs/faults.md: sessions."""
from mutant import Mutant

MUTANTS = [
    Mutant(36, "what_is_being_built_swept", "src/shm/dir.c",
           "static bool is_unlocked(int dir_fd) { return flock(dir_fd, LOCK_EX | LOCK_NB) == 0; }",
           "static bool is_unlocked(int dir_fd) { return dir_fd >= 0; }",
           "incomplete_directories_are_removed"),
    Mutant(36, "young_directories_swept", "src/shm/dir.c",
           "    return age > LEFTOVER_AGE_S || age < -LEFTOVER_AGE_S; /*", "    return age >= -LEFTOVER_AGE_S; /*",
           "incomplete_directories_are_removed"),
    Mutant(36, "sessions_without_a_file_left", "src/session/recover.c",
           "    if (is_stale && (is_wanted || !has_file))\n", "    if (is_stale && is_wanted)\n",
           "session_without_a_file_is_removed_by_the_next_setup"),
    Mutant(36, "removal_not_finished", "src/collector/life.c",
           "        mpl_dir_retire(c->dir, c->control_dev, c->control_ino);\n"
           "        note_end(life, true);\n",
           "        note_end(life, true);\n",
           "unit:removal_is_finished_by_the_next"),
    Mutant(37, "segments_opened_by_name_each_time", "src/collector/view.c",
           "    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd < limit.rlim_cur / 4;\n",
           "    return getrlimit(RLIMIT_NOFILE, &limit) == 0 && (rlim_t)fd < 3;\n",
           "directory_deleted_under_running_members_loses_nothing"),
    Mutant(37, "session_that_was_deleted_not_made_again", "src/session/join.c",
           "        else if (error != -ENOENT)\n"
           "            return error;\n",
           "        else\n"
           "            return error;\n",
           "directory_deleted_under_running_members_loses_nothing"),
    Mutant(38, "pid_and_its_time_believed", "src/shm/alive.c",
           "    return has_pid && mpl_alive_has_mapped(dir, serial, pid);\n",
           "    return has_pid && (slot->start_time == mpl_os_start_time(pid) || mpl_alive_has_mapped(dir, "
           "serial, pid));\n",
           "pid_that_was_given_to_another_process_is_not_a_member"),
    Mutant(39, "pid_of_another_namespace_compared", "src/shm/alive.c",
           "    if (holder > 0 || holder == MPL_ALIVE_UNSEEN)\n",
           "    if (holder == pid || holder == MPL_ALIVE_UNSEEN)\n",
           "living_pid_namespace_is_not_touched_from_outside"),
    Mutant(40, "segment_opened_by_its_path_to_grow", "src/shm/segment.c",
           "    if (mpl_os_fd_is(w->fd, w->dev, w->ino))\n"
           "        return w->fd;\n"
           "    w->fd = -1;\n",
           "    if (!w->last_ring && mpl_os_fd_is(w->fd, w->dev, w->ino))\n"
           "        return w->fd;\n"
           "    w->fd = -1;\n",
           "program_that_gives_up_its_rights_logs_on"),
    Mutant(47, "version_not_looked_at", "src/shm/control.c",
           "    if (first.abi_version != MPL_ABI_VERSION)\n", "    if (first.abi_version == 0)\n",
           "session_of_another_version_is_named", "member_of_another_version_is_refused_and_others_go_on"),
    Mutant(47, "who_cannot_join_has_no_log", "src/session/setup.c",
           "        return is_new ? set_up_apart() : error;\n",
           "        return is_new && !error ? set_up_apart() : error;\n",
           "member_of_another_version_is_refused_and_others_go_on"),
    Mutant(57, "parents_not_asked", "src/session/find.c",
           "    if (find_in_environment(s) || (asks_parents && find_at_parents(s)))\n",
           "    if (find_in_environment(s) || (asks_parents && getppid() == 0 && find_at_parents(s)))\n",
           "program_started_without_environment_joins"),
    Mutant(57, "parent_alone_asked", "src/session/find.c",
           "#define GENERATIONS_MAX 64 /*", "#define GENERATIONS_MAX 1 /*",
           "program_started_by_a_shell_without_environment_joins"),
    Mutant(57, "session_not_in_the_environment", "src/session/setup.c",
           "    bool is_new = !error && current->is_creator && !current->is_exported;\n"
           "    if (is_new)\n"
           "        mpl_session_export(current);\n",
           "    bool is_new = !error && current->is_creator && !current->is_exported;\n",
           "program_whose_parents_have_gone_joins"),
    Mutant(63, "threads_inside_not_waited_for", "src/producer/producer.c",
           "    bool is_quiet = mpl_os_membarrier_private() && wait_until_quiet();\n",
           "    bool is_quiet = mpl_os_membarrier_private() || wait_until_quiet();\n",
           "change_of_file_under_load_loses_nothing"),
    Mutant(63, "session_that_was_left_not_looked_after", "src/session/setup.c",
           "    mpl_member_leave(current, next_membership);\n", "    mpl_process_set_membership(next_membership);\n",
           "change_of_file_under_load_loses_nothing"),
    Mutant(63, "set_up_in_a_child_not_told_from_a_first_one", "python/mplog/_setup.py",
           "    if _is_child() and _join(True) and _has_set_up():\n",
           "    if _is_inheriting() and _join(True) and _has_set_up():\n",
           "py:a_later_set_up_in_a_child_is_ignored"),
    Mutant(78, "locks_taken_in_another_order_than_logging", "python/mplog/_setup.py",
           "        with logging._lock:\n"
           "            is_held = lock.acquire()\n",
           "        is_held = lock.acquire()\n"
           "        with logging._lock:\n",
           "py:dict_config_and_shutdown_at_once_both_end", hangs=True),
    Mutant(78, "lock_of_another_thread_kept_by_a_child", "python/mplog/_setup.py",
           "    _lock = threading.RLock()  # the thread that had it is not there\n", "    pass\n",
           "py:child_that_is_forked_while_another_thread_shuts_down_can_do_so_too"),
    Mutant(78, "formatter_set_meanwhile_forgotten", "python/mplog/_handler.py",
           "        if self.formatter is not formatter:\n", "        if False:\n",
           "py:formatter_that_is_set_while_a_handler_gets_ready_is_used"),
    Mutant(73, "session_that_has_ended_not_awaited", "src/session/setup.c",
           "        is_expected = true;\n", "        is_expected = error == 0;\n",
           "py:a_child_that_logs_after_its_session_has_ended_appends_to_the_file",
           "py:loggers_of_others_reach_a_session_that_has_ended"),
    Mutant(73, "session_that_has_ended_made_again_by_an_import", "src/session/setup.c",
           "    int error = mpl_session_join(&e);\n"
           "    if (error == -ESHUTDOWN)\n",
           "    int error = mpl_session_join_or_create(&e);\n"
           "    if (error == -ESHUTDOWN)\n",
           "py:import_alone_does_not_create_a_session_that_has_ended"),
    Mutant(73, "session_made_again_under_another_name", "src/session/join.c",
           "    error = error ? error : mpl_session_create(e, copy);\n",
           "    error = error ? error : mpl_session_create(e, copy[0] ? NULL : copy);\n",
           "py:children_of_it_share_the_next_session"),
    Mutant(74, "end_of_an_extent_read_before_its_successor", "src/collector/view.c",
           "next_extent_at_last(m, dir_fd, next)",
           "next_extent_at_last(m, dir_fd, next ? next : next_extent_offset(m))",
           "unit:definitions_made_while_others_are_read_are_found"),
    Mutant(77, "file_emptied_when_the_session_is_there", "src/session/create.c",
           "        error = e->to_empty ? mpl_file_truncate(e->to_empty) : 0;\n"
           "        error = error ? error : mpl_dir_publish(built, e->session->dir);\n",
           "        error = mpl_dir_publish(built, e->session->dir);\n"
           "        error = error || !e->to_empty ? error : mpl_file_truncate(e->to_empty);\n",
           "unit:file_is_emptied_before_others_can_find_the_session"),
    Mutant(77, "file_of_a_handler_emptied_when_it_is_there", "src/session/sinks.c",
           "    error = error || !to_empty ? error : mpl_file_truncate(to_empty);\n"
           "    if (error)\n"
           "        return error;\n",
           "    if (error)\n"
           "        return error;\n",
           "unit:file_of_a_handler_is_emptied_before_others_can_find_it",
           more=[("src/session/sinks.c", "    mpl_wake_for_news(mpl_process.control);\n    return 0;\n",
                  "    mpl_wake_for_news(mpl_process.control);\n"
                  "    return to_empty ? mpl_file_truncate(to_empty) : 0;\n")]),
    Mutant(77, "remains_of_a_sink_left", "src/session/sinks.c",
           "        unlinkat(dir_fd, name, 0);\n", "        (void)dir_fd;\n",
           "unit:sink_that_was_begun_and_not_finished_is_in_nobodys_way"),
]
