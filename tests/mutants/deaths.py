# SPDX-License-Identifier: Unlicense
"""Rows 1 to 14, 30, 62 and 64 of docs/faults.md: deaths."""
from mutant import Mutant

NO_LOCK = ("src/shm/control.c",
           "bool mpl_control_lock(int fd) { return lock_byte(fd, F_SETLK, F_WRLCK, COLLECTOR_BYTE) >= 0; }",
           "bool mpl_control_lock(int fd) { return lock_byte(fd, F_SETLK, F_WRLCK, COLLECTOR_BYTE) >= 0 || fd >= 0; }")

MUTANTS = [
    Mutant(1, "few_published_before_written", "src/producer/log.c",
           "    body[0] = a;\n"
           "    body[1] = b;\n"
           "    body[2] = c;\n"
           "    if (text >= 0) {\n"
           "        body[text] = len;\n"
           "        put_text(at + fixed_bytes_of(site), string, len);\n"
           "    }\n"
           "    head->kind_words = mpl_kind_words(MPL_RECORD_DEFERRED, bytes);\n"
           "    head->sinks = UINT32_MAX;\n"
           "    head->ids = mpl_ids_pack(site->id, atomic_load_explicit(id_bits, memory_order_relaxed), level);\n"
           "    uint64_t watch = mpl_producer_publish(p, at, bytes);\n",
           "    head->kind_words = mpl_kind_words(MPL_RECORD_DEFERRED, bytes);\n"
           "    head->sinks = UINT32_MAX;\n"
           "    head->ids = mpl_ids_pack(site->id, atomic_load_explicit(id_bits, memory_order_relaxed), level);\n"
           "    uint64_t watch = mpl_producer_publish(p, at, bytes);\n"
           "    atomic_signal_fence(memory_order_seq_cst);\n"
           "    body[0] = a;\n"
           "    body[1] = b;\n"
           "    body[2] = c;\n"
           "    if (text >= 0) {\n"
           "        body[text] = len;\n"
           "        put_text(at + fixed_bytes_of(site), string, len);\n"
           "    }\n",
           "torture:kill: short log call"),
    Mutant(1, "published_before_written", "src/producer/log.c",
           "    put_words(body, words, site->word_count);\n"
           "    if (mask)\n"
           "        put_strings(body, mask, words, site->word_count, lens);\n"
           "    mpl_producer_commit(p, bytes, stamp);\n",
           "    mpl_producer_commit(p, bytes, stamp);\n"
           "    atomic_signal_fence(memory_order_seq_cst);\n"
           "    put_words(body, words, site->word_count);\n"
           "    if (mask)\n"
           "        put_strings(body, mask, words, site->word_count, lens);\n",
           "torture:kill: fast log call"),
    Mutant((6, 7), "rings_kept_by_a_forked_child", "src/producer/producer.c",
           "        madvise(a, ARENA_BYTES, MADV_WIPEONFORK); /*", "        /*",
           "unit:forked_child_writes_into_a_segment_of_its_own", "bare_clone_is_noticed"),
    Mutant(6, "fork_not_noticed", "src/producer/process.c",
           "    bool is_wiped = is_wiped_by_kernel(fresh, bytes);\n",
           "    bool is_wiped = is_wiped_by_kernel(NULL, 0) || true;\n",
           "fork_storm_of_a_busy_parent_loses_nothing", hangs=True),
    Mutant(2, "creator_alone_starts_collectors", "src/session/setup.c",
           "    mpl_session_start_collector(current, is_in_handler ? MPL_START_HELPER : MPL_START_ONLY);\n",
           "    if (current->is_creator)\n"
           "        mpl_session_start_collector(current, is_in_handler ? MPL_START_HELPER : MPL_START_ONLY);\n",
           "collector_thread_killed_with_its_host_is_replaced"),
    Mutant(2, "session_ends_with_its_creator", "src/collector/members.c",
           "    c->alive_count--;\n", "    c->alive_count = m->slot == 0 ? 0 : c->alive_count - 1;\n",
           "children_go_on_after_the_death_of_the_main_process"),
    Mutant(3, "dead_sleeper_taken_for_woken", "src/shm/wake.c",
           "    return mpl_os_futex_wake(&c->head.wake_word, 1) > 0;\n",
           "    return mpl_os_futex_wake(&c->head.wake_word, 1) >= 0;\n",
           "collector_killed_while_all_are_idle_is_replaced_at_need"),
    Mutant(3, "claim_to_start_outlives_the_collector", "src/session/start.c",
           "#define CLAIM_NS (100 * NS_PER_MS)\n", "#define CLAIM_NS (10000 * NS_PER_MS)\n",
           "collectors_killed_at_random_lose_nothing"),
    Mutant(3, "file_not_compared_by_the_successor", "src/output/written.c",
           "    if (n < 0)\n"
           "        return 0;\n"
           "    return has_ended ||",
           "    if (n >= 0)\n"
           "        return 0;\n"
           "    return has_ended ||",
           "unit:decided_batch_is_finished_by_the_successor",
           "unit:append_killed_at_any_call_is_finished_by_a_successor"),
    Mutant(3, "backups_not_compared_by_the_successor", "src/output/written.c",
           "    for (uint32_t i = 0; i <= last && mpl_rotate_name",
           "    for (uint32_t i = 0; i < 1 && i <= last && mpl_rotate_name",
           "unit:already_written_looks_at_backups"),
    Mutant(3, "undecided_positions_believed", "src/collector/view.c",
           "        struct mpl_ring_progress *p = &ring->progress[i];\n"
           "        uint64_t tag = atomic_load_explicit(&p->tag, memory_order_acquire);\n"
           "        if (tag > batch_seq)\n"
           "            atomic_store_explicit(&p->tag, 0, memory_order_release);\n",
           "        struct mpl_ring_progress *p = &ring->progress[i];\n"
           "        uint64_t tag = atomic_load_explicit(&p->tag, memory_order_acquire);\n"
           "        if (tag > batch_seq && batch_seq == UINT64_MAX)\n"
           "            atomic_store_explicit(&p->tag, 0, memory_order_release);\n",
           "unit:undecided_batch_is_forgotten"),
    Mutant(3, "goes_on_at_what_was_released", "src/collector/view.c",
           "    r->pos = (decided_pos > read_pos ? decided_pos : read_pos) & ~UINT64_C(7); /*",
           "    r->pos = (decided_pos > read_pos ? read_pos : read_pos) & ~UINT64_C(7); /*",
           "unit:successor_goes_on_where_the_killed_one_stopped"),
    Mutant(4, "setup_recovers_nothing", "src/session/recover.c",
           "    for (size_t i = 0; i < s.count && i < SETUP_SESSIONS_MAX; i++) {\n",
           "    for (size_t i = 0; i < s.count && i < SETUP_SESSIONS_MAX && o->o.ring_dir == NULL; i++) {\n",
           "next_setup_recovers_all_that_was_killed"),
    Mutant(4, "dying_taken_for_living", "src/session/look.c",
           "    l->has_collector = l->collector < 0 || (l->collector > 0 && !mpl_os_is_exiting(l->collector));\n",
           "    l->has_collector = l->collector != 0 || l->control->head.creator_pid != 0;\n",
           "recover_writes_all_that_was_killed"),
    Mutant(5, "unfinished_line_continued", "src/output/file.c",
           "    if (fill == 0 && holds_at(f, a->size - unit, f->newline, unit))\n", "    if (fill == 0)\n",
           "unit:unfinished_line_of_another_is_ended"),
    Mutant(5, "cut_character_not_filled_up", "src/output/file.c",
           "fill = (size_t)(unit - a->size % unit) % unit;", "fill = 0;",
           "unit:unfinished_utf16_is_filled_up_and_ended"),
    Mutant((5, 36), "boots_not_told_apart", "src/shm/alive.c",
           "    return boot_id[0] && h->boot_id[0] && memcmp(h->boot_id, boot_id, 36) != 0;\n",
           "    return !boot_id[0] && h->boot_id[0];\n",
           "session_of_an_earlier_boot_has_no_living_process",
           "unit:session_of_an_earlier_boot_keeps_order_and_times"),
    Mutant((8, 9), "session_of_the_parents_not_looked_for", "src/session/setup.c",
           "    bool is_found = !is_new || is_expected || mpl_session_find(current, true);\n",
           "    bool is_found = !is_new || is_expected;\n",
           "program_started_directly_joins", "program_started_by_vfork_joins", "program_started_by_a_shell_joins",
           "program_that_executes_another_in_its_place_loses_nothing"),
    Mutant(10, "descriptors_closed_that_are_somebody_elses", "src/session/setup.c",
           "    if (mpl_os_fd_is(current->control_fd, current->control_dev, current->control_ino))\n"
           "        close(current->control_fd);\n"
           "    current->control_fd = -1;\n"
           "    current->is_creator",
           "    if (current->control_fd >= 0)\n"
           "        close(current->control_fd);\n"
           "    current->control_fd = -1;\n"
           "    current->is_creator",
           "daemon_that_logs_at_once_goes_on"),
    Mutant(10, "sessions_that_have_ended_not_made_again", "src/session/join.c",
           "        else if (error != -ENOENT)\n"
           "            return error;\n",
           "        else\n"
           "            return error;\n",
           "daemons_that_log_later_append_to_the_file"),
    Mutant(10, "first_thread_taken_for_the_process", "src/base/os.c",
           "        are_all = e->d_name[0] == '.' || is_thread_exiting(pid, e->d_name);\n",
           "        are_all = e->d_name[0] == '.' || atoi(e->d_name) != pid || is_thread_exiting(pid, e->d_name);\n",
           "unit:process_is_exiting_when_all_its_threads_are"),
    Mutant(11, "helper_beside_the_library_not_found", "src/session/spawn.c",
           "    if ((dladdr(&anchor, &library) && ", "    if ((!dladdr(&anchor, &library) && ",
           "py:lines_survive_os_exit", "py:lines_survive_a_kill"),
    Mutant(11, "traceback_waits_for_nothing", "python/mplog/_setup.py",
           "        _mplog.flush(EXCEPTION_FLUSH_MS)\n"
           "        sys.__excepthook__(kind, value, traceback)\n",
           "        sys.__excepthook__(kind, value, traceback)\n",
           "py:an_uncaught_exception_comes_after_the_lines"),
    Mutant(12, "free_rings_not_searched", "src/producer/claim.c",
           "    struct mpl_ring_map *m = find_free(purpose, data_bytes, record_bytes);\n",
           "    struct mpl_ring_map *m = record_bytes ? find_free(purpose, data_bytes, record_bytes) : NULL;\n",
           "threads_one_after_the_other_reuse_rings", "unit:threads_one_after_another_reuse_rings"),
    Mutant(12, "ring_left_open_at_the_end_of_a_thread", "src/producer/producer.c",
           "    if (p->session == mpl_process.sessions)\n"
           "        mpl_claim_close(p->map);\n"
           "    drop_ring(p);\n",
           "    drop_ring(p);\n",
           "threads_one_after_the_other_reuse_rings"),
    Mutant(14, "crash_handler_installed_unasked", "src/session/member.c",
           "(is_wanted && mpl_crash_install() < 0)", "mpl_crash_install() < 0",
           "crash_without_handler_leaves_what_was_logged"),
    Mutant(14, "each_thread_tells_of_the_crash", "src/producer/crash.c",
           "    while (seen >> 32 != own >> 32) {\n", "    while (seen != own) {\n",
           "threads_that_crash_at_once_make_one_record"),
    Mutant(14, "no_alternate_stack", "src/producer/crash.c",
           "    if (!is_installed || own_stack ||", "    if (is_installed || own_stack ||",
           "overflow_of_the_stack_is_told_in_main_and_in_threads"),
    Mutant(14, "signal_that_was_sent_swallowed", "src/producer/crash.c",
           "    return info->si_code <= 0 ||", "    return info->si_code < SI_TKILL ||",
           "each_fatal_signal_becomes_a_record_and_kills"),
    Mutant(30, "oldest_backup_removed_each_time", "src/output/rotate.c",
           "        if (hole > (int64_t)backup_count) {\n", "        if (hole > 1) {\n",
           "unit:rotate_killed_at_any_step_is_continued"),
    Mutant(30, "rotation_begun_again_after_its_end", "src/output/rotate.c",
           "    if (lstat(path, &st) < 0 && errno == ENOENT)\n"
           "        return 0;\n"
           "    for (int i = 0; i < CHAIN",
           "    (void)st;\n"
           "    for (int i = 0; i < CHAIN",
           "unit:rotate_killed_at_any_step_is_continued"),
    Mutant(62, "several_lead_at_once", *NO_LOCK,
           "many_recover_at_once_and_only_one_writes", more=[
               ("src/collector/life.c",
                "atomic_load(&c->control->head.takeovers) == c->takeover &&",
                "c->takeover != 0 &&"),
               ("src/collector/commit.c",
                "    if (!atomic_compare_exchange_strong_explicit(&c->control->head.batch_seq, &expected, "
                "tag, memory_order_acq_rel,\n"
                "                                                 memory_order_relaxed)) {\n",
                "    if (atomic_exchange(&c->control->head.batch_seq, tag) == UINT64_MAX - expected) {\n"),
           ]),
    Mutant(62, "who_comes_late_has_failed", "src/session/recover.c",
           "    if (!error && !end.has_led)\n"
           "        return; /*",
           "    if (error && !end.has_led)\n"
           "        return; /*",
           "many_recover_at_once_and_only_one_writes"),
    Mutant(64, "any_number_of_helpers", "src/shm/control.c",
           "    return are_many || is_none || starts >= STARTS_MAX;\n",
           "    return (!are_many && is_none) || starts >= STARTS_MAX;\n",
           "helper_that_dies_again_and_again_is_replaced_by_a_thread"),
    Mutant(64, "deaths_of_helpers_not_told", "src/collector/life.c",
           "    c->follows_helper = count > 0 &&", "    c->follows_helper = count > MPL_DEATHS_KEPT &&",
           "helper_that_dies_again_and_again_is_replaced_by_a_thread"),
]
