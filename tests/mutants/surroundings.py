# SPDX-License-Identifier: Unlicense
"""Mutants of "Signals and stops", "Disk and files", "Memory and limits" and "Hosts" that concern what surrounds a
program: its group, its clocks, its cgroup, its folder, its locale, other interpreters."""
from mutant import Mutant

MUTANTS = [
    Mutant(17, "helper_in_the_session_of_its_starter", "src/session/spawn.c", "    setsid();\n", "",
           "signal_to_a_whole_group_loses_nothing"),
    Mutant(17, "signals_end_the_helper", "src/collector/helper.c",
           "        signal(ignored[i], SIG_IGN);\n", "        signal(ignored[i], SIG_DFL);\n",
           "signal_to_all_processes_does_not_end_the_collector"),
    Mutant(32, "time_of_day_read_once", "src/base/clock.c",
           "    w->wall_ns = now.wall_ns;\n    if (kind == MPL_CLOCK_MONOTONIC) {\n",
           "    w->wall_ns = w->wall_ns ? mpl_clock_wall_of(w, now.stamp) : now.wall_ns;\n"
           "    w->stamp = now.stamp;\n"
           "    if (kind == MPL_CLOCK_MONOTONIC) {\n",
           "clock_that_is_set_changes_what_lines_show_and_not_where_they_stand"),
    Mutant(32, "waits_by_the_time_of_day", "src/base/clock.h",
           "    clock_gettime(CLOCK_MONOTONIC, &t);\n", "    clock_gettime(CLOCK_REALTIME, &t);\n",
           "waits_do_not_follow_a_clock_that_is_set"),
    Mutant(32, "turn_goes_on_past_other_rings", "src/collector/run.c",
           "    run->limit = others < c->now_stamp ? others : c->now_stamp;\n",
           "    run->limit = others < c->now_stamp ? c->now_stamp : others;\n",
           "unit:records_that_take_turns_stand_in_order"),
    Mutant(32, "turn_goes_on_past_the_pass", "src/collector/run.c",
           "    if (outcome == LATER && run->next_key < c->now_stamp) {\n", "    if (outcome == LATER) {\n",
           "unit:records_later_than_the_pass_wait_wherever_they_are"),
    Mutant(35, "limit_of_the_cgroup_not_looked_at", "src/session/create.c",
           "    return share < budget ? share : budget;\n", "    return share < budget ? budget : budget;\n",
           "program_in_a_small_cgroup_is_not_killed_through_our_memory"),
    Mutant(58, "interpreters_not_told_apart", "python/_mplog.c",
           "    if (!is_main_interpreter()) {\n", "    if (0 && !is_main_interpreter()) {\n",
           "py:interpreters_that_come_and_go_while_threads_log_harm_nobody", hangs=True),
    Mutant(60, "locale_of_the_host_in_a_thread", "src/collector/thread.c",
           "    mpl_cformat_use_c_locale(); /* of this thread, for good */\n", "",
           "homes_and_locales_make_no_difference"),
    Mutant(60, "umask_of_the_host_for_what_is_shared", "src/shm/dir.c",
           "    if ((flags & O_CREAT) && (st.st_mode & 0600) != 0600 && fchmod(fd, 0600) < 0) {\n",
           "    if (0 && (st.st_mode & 0600) != 0600 && fchmod(fd, 0600) < 0) {\n",
           "umask_is_for_the_log_and_not_for_what_is_shared"),
    Mutant(65, "no_other_helper_is_started", "src/session/setup.c",
           "    mpl_session_start_collector(current, is_in_handler ? MPL_START_HELPER : MPL_START_ONLY);\n",
           "    (void)is_in_handler;\n",
           "helper_that_the_kernel_kills_for_want_of_memory_is_replaced"),
]
