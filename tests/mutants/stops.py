# SPDX-License-Identifier: Unlicense
"""Rows 13 to 18 of docs/faults.md: signals and stops."""
from deaths import NO_LOCK
from mutant import Mutant

MUTANTS = [
    Mutant(13, "interrupted_short_call_not_noticed", "src/producer/log.c",
           " ||\n        unlikely(atomic_load_explicit(&p->busy, memory_order_relaxed)))\n", ")\n",
           "record_of_a_handler_stands_between_the_calls_around_it"),
    Mutant(13, "interrupted_call_not_noticed", "src/producer/log.c",
           "!site->is_simple ||\n"
           "                             atomic_load_explicit(&p->busy, memory_order_relaxed),\n",
           "!site->is_simple,\n",
           "handlers_that_interrupt_calls_of_one_thread_are_written"),
    Mutant(13, "handlers_have_no_rings", "src/producer/producer.c",
           "    struct mpl_producer *p = mpl_nested_begin();\n", "    struct mpl_producer *p = NULL;\n",
           "handlers_that_interrupt_calls_of_four_threads_are_written"),
    Mutant(13, "interrupted_growth_not_noticed", "src/producer/producer.c",
           "    *is_nested = mpl_thread.is_in_slow_path || mpl_process_is_in_section_here() || busy_of(p) "
           "!= MPL_BUSY_NOT;\n",
           "    *is_nested = busy_of(p) == MPL_BUSY_WRITING;\n",
           "handlers_that_interrupt_growth_and_names_are_written_or_counted", hangs=True),
    Mutant(15, "full_ring_looks_for_no_collector", "src/producer/space.c",
           "        look_after_collector(p);\n", "        (void)look_after_collector;\n",
           "full_ring_of_a_killed_collector_gets_another"),
    Mutant(15, "collector_that_lives_taken_for_dead", "src/session/look.c",
           "    l->is_stale = !l->has_collector && !l->has_members;\n", "    l->is_stale = !l->has_members;\n",
           "collector_that_lives_is_not_touched", more=[NO_LOCK]),
    Mutant(15, "losses_counted_for_one_cause", "src/producer/space.c",
           "            count_loss(p, is_block ? MPL_LOST_FULL : MPL_LOST_DROPPED);\n",
           "            count_loss(p, MPL_LOST_FULL);\n",
           "stat_counts_losses_by_cause"),
    Mutant(15, "large_ring_that_is_read_from_grows", "src/producer/space.c",
           "    if (p->full_since_ns == 0 || p->full_read_pos != read_pos) {\n", "    if (p->full_since_ns == 0) {\n",
           "unit:large_ring_grows_only_where_the_collector_does_not_get_on"),
    Mutant(15, "large_ring_never_grows", "src/producer/space.c",
           "    return now_ns - p->full_since_ns >= STUCK_NS;\n", "    return false;\n",
           "unit:large_ring_grows_only_where_the_collector_does_not_get_on"),
    Mutant(15, "wait_of_a_binding_left_behind", "src/producer/binding.c",
           "        p->must_wait = false;", "        p->must_wait |= false;",
           "unit:call_of_a_c_library_into_a_full_ring_is_counted"),
    Mutant(16, "merge_waits_for_every_ring", "src/collector/pass.c",
           "    while (c->heap.count > 0 && !c->is_blocked && !c->is_replaced) {\n",
           "    while (c->heap.count >= c->hot_count && !c->is_blocked && !c->is_replaced && c->heap.count > 0) {\n",
           "torture:disturbances#stop main 0"),
    Mutant((18, 39), "foreign_processes_taken_for_living", "src/shm/alive.c",
           "    if (is_other_boot || slot->pid_ns != pid_ns)\n"
           "        return false;\n",
           "    if (is_other_boot || slot->pid_ns != pid_ns)\n"
           "        return !is_other_boot;\n",
           "dead_pid_namespace_is_recovered_from_outside"),
]
