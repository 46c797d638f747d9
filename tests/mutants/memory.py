# SPDX-License-Identifier: Unlicense
"""Rows 23, 33 to 35, 48, 53 to 55 and 61 of docs/faults.md: memory and limits."""
from mutant import Mutant

MUTANTS = [
    Mutant(23, "takes_over_whatever_is_missing", "src/collector/collector.c",
           "    if (c->has_missed || !mpl_collector_open_sinks(c))\n",
           "    if (!mpl_collector_open_sinks(c) && c->sink_count > 0)\n",
           "unit:collector_that_cannot_open_all_rings_does_not_take_over"),
    Mutant(23, "member_that_was_missed_forgotten", "src/collector/members.c",
           "    if (news == c->news_seen && !c->has_missed)\n", "    if (news == c->news_seen)\n",
           "unit:record_of_a_member_that_could_not_be_opened_comes_later"),
    Mutant(23, "text_without_memory_written", "src/base/text.h",
           "    if (t->len < t->cap)\n"
           "        t->data[t->len] = c;\n",
           "    t->data[t->len < t->cap ? t->len : t->cap] = c;\n",
           "unit:append_to_text_without_memory_only_counts"),
    Mutant((23, 61), "thread_not_tried_where_no_helper_starts", "src/session/start.c",
           "    if (how == MPL_START_HELPER || mpl_crash_is_underway())\n",
           "    if (how == MPL_START_HELPER || wants_helper(&s->options) || mpl_crash_is_underway())\n",
           "refused_system_calls_harm_nobody", "helper_that_cannot_be_executed_is_replaced_by_a_thread"),
    Mutant(23, "place_of_the_control_file_alone_tried", "src/producer/process.c",
           "    mpl_process.control = c ? c : spare;\n",
           "    if (c)\n"
           "        mpl_process.control = c;\n",
           "unit:mapping_that_fails_refuses_the_setup_or_costs_no_line"),
    Mutant(23, "thread_that_nobody_knows_is_started", "src/collector/thread.c",
           "    int error = identify(t);\n    if (!error) {\n",
           "    int error = identify(t) * 0;\n    if (!error) {\n",
           "unit:thread_that_cannot_tell_which_session_it_serves_is_not_started"),
    Mutant(33, "shared_memory_not_allocated_before_use", "src/base/os.c",
           "        error = posix_fallocate(fd, (off_t)offset, (off_t)bytes);\n",
           "        error = ftruncate(fd, (off_t)(offset + bytes)) < 0 ? errno : 0;\n",
           "shared_memory_without_room_fails_at_setup_or_counts"),
    Mutant(34, "first_place_alone_tried", "src/session/create.c",
           "        error = error ? error : create_below(e, parent, fresh);\n"
           "        if (!error)\n"
           "            return 0;\n",
           "        error = error ? error : create_below(e, parent, fresh);\n"
           "        return error;\n",
           "missing_shared_memory_is_replaced_by_another_directory"),
    Mutant(34, "place_that_was_named_not_kept_to", "src/shm/dir.c",
           "    if (ring_dir) {\n"
           "        candidates[count++] = ring_dir;\n"
           "    } else {\n",
           "    if (ring_dir && i == 0) {\n"
           "        candidates[count++] = ring_dir;\n"
           "    } else {\n",
           "missing_ring_dir_is_refused"),
    Mutant(48, "bytes_that_were_cut_not_told", "src/producer/log_full.c",
           "    d->message.len -= n;\n"
           "    d->cut_bytes += n;\n",
           "    d->message.len -= n;\n"
           "    d->cut_bytes = 0;\n",
           "unit:message_above_the_limit_is_cut_and_says_so", "message_of_17_mib_is_cut_and_says_so"),
    Mutant(48, "record_that_wraps_not_padded", "src/producer/space.c",
           "        uint32_t pad = mpl_kind_words(MPL_RECORD_PAD, to_end);\n",
           "        uint32_t pad = mpl_kind_words(MPL_RECORD_PAD, to_end - 8);\n",
           "every_size_up_to_5000_arrives"),
    Mutant(53, "threads_beyond_the_budget_lose", "src/producer/producer.c",
           "    p->is_shared = mpl_producer_renew(p, MPL_CLAIM_SHARED, mpl_process.facts.ring_initial_bytes);\n",
           "    p->is_shared = mpl_producer_renew(p, MPL_CLAIM_OWN, mpl_process.facts.ring_initial_bytes);\n",
           "threads_that_share_a_ring_lose_nothing"),
    Mutant(53, "shared_ring_without_its_lock", "src/producer/producer.c",
           "    mpl_lock_take(shared_ring_lock());\n", "    mpl_lock_try(shared_ring_lock());\n",
           "threads_that_share_a_ring_lose_nothing"),
    Mutant(53, "budget_not_kept", "src/producer/claim.c",
           "    return mpl_process.ring_bytes + more_bytes <= budget;\n", "    return more_bytes <= budget;\n",
           "ten_thousand_threads_stay_within_the_budget"),
    Mutant(54, "large_rings_for_handlers", "src/producer/nested.c",
           "#define SIDE_RING_BYTES 8192u\n", "#define SIDE_RING_BYTES 65536u\n",
           "thousand_processes_take_100_kib_each"),
    Mutant(55, "losses_told_again_and_again", "src/collector/loss.c",
           "        r->lost_reported[cause] = lost;\n", "        (void)lost;\n",
           "unit:overflow_drop_counts_and_tells"),
    Mutant(55, "own_lines_wait_for_room_in_a_ring", "src/collector/loss.c",
           "        uint64_t more = lost - r->lost_reported[cause];\n"
           "        if (more == 0)\n",
           "        uint64_t more = lost - r->lost_reported[cause];\n"
           "        if (more == 0 || r->pos != r->head || cause == MPL_LOST_FULL)\n",
           "full_ring_with_block_waits_its_time_and_counts"),
    Mutant(61, "thread_in_the_place_of_a_helper_not_told", "src/session/setup.c",
           "    if (is_new)\n"
           "        tell_of_thread();\n",
           "    if (is_new && error < -4095)\n"
           "        tell_of_thread();\n",
           "helper_that_cannot_be_executed_is_replaced_by_a_thread"),
]
