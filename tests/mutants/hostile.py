# SPDX-License-Identifier: Unlicense
"""Rows 41 to 46, 49 to 52, 56 to 60 and 79 of docs/faults.md: hostile or broken input, and hosts."""
from mutant import Mutant

MUTANTS = [
    Mutant(41, "modes_left_to_the_umask", "src/shm/dir.c",
           "mkdir(path, 0700) < 0 || chmod(path, 0700) < 0 ?", "mkdir(path, 0755) < 0 || chmod(path, 0755) < 0 ?",
           "files_are_closed_to_other_users"),
    Mutant(41, "files_open_to_others", "src/shm/dir.c",
           "openat(dir_fd, name, flags, 0600)", "openat(dir_fd, name, flags, 0666)",
           "files_are_closed_to_other_users"),
    Mutant(41, "session_of_another_user_joined", "src/shm/dir.c",
           "    if (st.st_uid != geteuid())\n", "    if (0)\n",
           "session_is_closed_to_another_user", more=[
               ("src/shm/dir.c",
                "mkdir(path, 0700) < 0 || chmod(path, 0700) < 0 ?",
                "mkdir(path, 0777) < 0 || chmod(path, 0777) < 0 ?"),
               ("src/shm/dir.c",
                "openat(dir_fd, name, flags, 0600)",
                "openat(dir_fd, name, flags, 0666)"),
               ("src/shm/dir.c",
                "(st.st_mode & 077) != 0",
                "(st.st_mode & 077) == 1"),
           ]),
    Mutant(42, "folder_of_a_link_followed", "src/shm/dir.c",
           "    int fd = mpl_os_fd_above_stdio(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));\n",
           "    int fd = mpl_os_fd_above_stdio(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));\n",
           "folder_that_is_a_link_is_refused"),
    Mutant(42, "folder_of_anybody_taken", "src/shm/dir.c",
           "    if (st.st_uid != geteuid())\n", "    if (0)\n",
           "folder_of_another_user_is_refused"),
    Mutant(42, "folder_of_any_mode_taken", "src/shm/dir.c",
           "(st.st_mode & 077) != 0", "(st.st_mode & 07) != 07 && 0",
           "folder_that_is_open_to_others_is_refused"),
    Mutant(42, "name_that_is_taken_ends_the_search", "src/session/create.c",
           "        error = error ? error : create_below(e, parent, fresh);\n"
           "        if (!error)\n"
           "            return 0;\n",
           "        error = error ? error : create_below(e, parent, fresh);\n"
           "        if (!error || error == -EPERM || error == -EACCES)\n"
           "            return error;\n",
           "name_that_another_user_took_leads_to_the_next_place"),
    Mutant(43, "wrong_environment_ignored", "src/config/options.c",
           "        error = set_value(&out->o, &table[i], value);\n",
           "        error = set_value(&out->o, &table[i], value) * 0;\n",
           "wrong_environment_is_refused_by_variable_value_and_reason"),
    Mutant(44, "sizes_of_records_believed", "src/collector/view.c",
           "bytes == 0 || bytes > room || bytes > left ||", "bytes == 0 || bytes > r->data_bytes ||",
           "unit:size_beyond_what_is_written_is_told"),
    Mutant(44, "damaged_bytes_not_counted", "src/collector/pass.c",
           "    note_corrupt(c, r, corrupt_bytes);\n"
           "    if (!is_record)\n",
           "    (void)corrupt_bytes;\n"
           "    if (!is_record)\n",
           "unit:scribbled_ring_is_counted_and_the_others_go_on"),
    Mutant(44, "lengths_of_a_definition_believed", "src/collector/view.c",
           " || sizeof def + texts > def.bytes)\n", " || texts == UINT64_MAX)\n",
           "unit:definition_that_lies_is_not_followed"),
    Mutant(44, "length_of_a_string_believed", "src/shm/codec.c",
           "    if (len > c->record->body_bytes - c->text_at)\n", "    if (len > UINT32_MAX)\n",
           "unit:random_bytes_never_lead_out_of_the_record", more=[
               ("src/shm/codec.h",
                "{ return bytes < 8; }",
                "{ return bytes < 8 || bytes > UINT32_MAX; }"),
           ]),
    Mutant(44, "what_lies_behind_a_body_not_looked_at", "src/shm/codec.h",
           "{ return bytes < 8; }", "{ return bytes < UINT32_MAX; }",
           "unit:size_that_ends_with_a_later_record_is_told", "unit:names_that_end_with_a_later_record_are_told",
           "unit:bodies_with_more_behind_them_go_the_long_way"),
    Mutant(44, "fields_of_any_tag_taken", "src/shm/codec.c",
           "    if (f.tag >= MPL_FIELD_TAGS || ", "    if (",
           "unit:size_that_ends_with_a_later_record_is_told"),
    Mutant(44, "record_that_no_sink_wants_not_looked_at", "src/collector/emit.c",
           "    if (takers == 0 && !is_sound(e))\n", "    if (0)\n",
           "unit:size_that_ends_with_a_later_record_is_told_where_no_sink_wants_the_record"),
    Mutant(44, "damaged_names_not_counted", "src/collector/emit.c",
           "        return take_names(r, &raw) || replace_record(c, r, MPL_LOSS_DAMAGED);\n",
           "        return take_names(r, &raw) || true;\n",
           "unit:names_that_end_with_a_later_record_are_told"),
    Mutant(45, "progress_in_shared_memory_believed", "src/collector/batch.c",
           "    if (!is_whole(b, &p, done)) {\n", "    if (!is_whole(b, &p, done) && done == UINT64_MAX) {\n",
           "unit:batch_that_is_scribbled_over_is_not_followed"),
    Mutant(46, "fault_in_a_truncated_segment_ends_the_helper", "src/collector/helper.c",
           "    sigaction(SIGBUS, &bus, NULL);\n", "    (void)bus;\n",
           "segment_that_is_truncated_costs_no_other_records"),
    Mutant(49, "invalid_bytes_pass", "src/output/escape.c",
           "    if (n == 0 || mode == MPL_ESCAPE_NONE)\n"
           "        return n;\n",
           "    if (n == 0 || mode == MPL_ESCAPE_NONE)\n"
           "        return n ? n : mode == MPL_ESCAPE_NONE;\n",
           "unit:invalid_bytes_are_shown_in_every_mode"),
    Mutant(49, "long_forms_of_characters_taken", "src/base/utf8.c",
           "    if (value < least || value > 0x10ffff ||", "    if ((value < least && len < 3) || value > 0x10ffff ||",
           "unit:utf8_bytes_that_no_character_has_are_refused"),
    Mutant(49, "text_ends_at_a_nul", "src/output/escape.c",
           "        size_t n = clean_prefix(s, mode);\n"
           "        mpl_text_append(out, s.ptr, n);\n",
           "        size_t n = clean_prefix(s, mode);\n"
           "        mpl_text_append(out, s.ptr, strnlen(s.ptr, n));\n",
           "unit:nul_in_mode_none_is_kept"),
    Mutant(50, "sequences_of_a_terminal_pass", "src/output/escape.c",
           "    return at < s.len && s.ptr[at] == 'm' ? at + 1 : 0;\n", "    return at < s.len ? at + 1 : 0;\n",
           "texts_of_strangers_cannot_drive_a_terminal"),
    Mutant(50, "newlines_pass_in_strict_mode", "src/output/escape.c",
           "        return mode == MPL_ESCAPE_CONTROL ? n : 0;\n"
           "    if (code == ESC)\n",
           "        return n;\n"
           "    if (code == ESC)\n",
           "texts_of_strangers_cannot_forge_a_line_when_strict",
           "unit:random_text_in_mode_strict_gives_one_harmless_line",
           "unit:random_fields_in_strict_mode_make_one_clean_line"),
    Mutant(51, "text_taken_for_a_format", "src/producer/log_full.c",
           "void mpl_log_text(mplog_logger *logger, int level, struct mpl_str text)\n"
           "{\n",
           "void mpl_log_text(mplog_logger *logger, int level, struct mpl_str text)\n"
           "{\n"
           "    static char line[4096];\n"
           "    int n = snprintf(line, sizeof line, text.ptr);\n"
           "    if (n > 0 && n < 4096)\n"
           "        text = (struct mpl_str){line, (size_t)n};\n",
           "texts_of_strangers_are_shown_as_they_are", more=[
               ("src/producer/log_full.c",
                "#include <errno.h>\n",
                "#include <errno.h>\n"
                "#include <stdio.h>\n"),
           ]),
    Mutant(51, "incomplete_conversion_taken", "src/base/cformat.c",
           "            return kinds[i].lengths & (1u << c->length) ? settle_class(c, kinds[i].class) : -EINVAL;\n",
           "            return settle_class(c, kinds[i].class);\n",
           "unit:parse_invalid_format_is_refused"),
    Mutant((51, 52), "errors_of_formatting_swallowed", "python/mplog/_handler.py",
           "            _mplog.count_format_error()\n"
           "            self.handleError(record)\n",
           "            _mplog.count_format_error()\n",
           "py:bad_arguments_are_reported_as_in_the_standard_library"),
    Mutant(52, "interrupts_of_formatting_swallowed", "python/_mplog_log.c",
           "    if (!PyErr_ExceptionMatches(PyExc_Exception))\n"
           "        return -1;\n"
           "    PyErr_Clear();\n",
           "    PyErr_Clear();\n",
           "py:interrupts_and_exits_while_arguments_are_formatted_reach_the_program"),
    Mutant(79, "path_let_go_before_it_is_forgotten", "python/_mplog_state.c",
           "    s->is_fast = s->is_plain = false;\n"
           "    s->disabled_levels = s->enabled_levels = 0;\n"
           "    s->cache = NULL;\n",
           "    s->cache = NULL;\n",
           "py:handler_that_logs_when_it_goes_leaves_nothing"),
    Mutant(79, "path_looked_at_twice_at_once_believed", "python/_mplog_state.c",
           "    if (refresh != refreshes) {\n", "    if (refresh > refreshes) {\n",
           "py:handler_that_a_destructor_adds_in_the_middle_of_a_call_is_called"),
    Mutant(51, "conversions_take_any_type", "python/_mplog_format.c",
           "    return c->takes >> type & 1;\n", "    return c->takes != 0 || type == MPL_PY_NONE;\n",
           "py:bad_arguments_are_reported_as_in_the_standard_library"),
    Mutant(56, "logging_shut_down_at_exit", "python/mplog/_setup.py",
           "        _export()\n"
           "        if accelerate:\n",
           "        _export()\n"
           "        __import__(\"atexit\").register(shutdown)\n"
           "        if accelerate:\n",
           "py:atexit_and_del_at_shutdown_are_logged_without_noise"),
    Mutant(43, "refusal_not_told", "src/session/find.c",
           "    return refusal.reason;\n", "    return NULL;\n",
           "session_that_is_not_followed_is_told", "py:a_session_that_is_not_followed_is_told_once"),
    Mutant(43, "refusal_told_at_each_set_up", "src/session/find.c",
           "    refusal.is_told = true;\n", "    refusal.is_told = false;\n",
           "py:a_session_that_is_not_followed_is_told_once"),
    Mutant(43, "session_that_is_over_told_as_refused", "src/session/find.c",
           "        return lstat(dir, &st) < 0 && errno == ENOENT ? false\n",
           "        return lstat(dir, &st) < 0 && errno == ENOTDIR ? false\n",
           "session_that_has_ended_is_no_reason_for_a_word"),
    Mutant(43, "starts_of_what_is_no_helper_not_counted", "src/shm/control.c",
           "    bool is_new = is_unserved(h);\n"
           "    if (!is_new && atomic_load(&h->collector_pid) == 0)\n",
           "    bool is_new = is_unserved(h);\n"
           "    if (is_new || atomic_load(&h->collector_pid) == 0)\n",
           "forged_helper_that_serves_nothing_is_replaced_by_a_thread"),
]
