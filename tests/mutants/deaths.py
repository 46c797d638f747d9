# SPDX-License-Identifier: Unlicense
"""Rows 1 to 14, 30, 62 and 64 of docs/faults.md: deaths."""
from mutant import Mutant

MUTANTS = [
    Mutant(1, "few_published_before_written", "src/producer/log.c", """\
    body[0] = a;
    body[1] = b;
    body[2] = c;
    if (text >= 0) {
        body[text] = len;
        put_text((char *)(body + site->word_count), string, len);
    }
    head->kind_words = mpl_kind_words(MPL_RECORD_DEFERRED, bytes);
    head->sinks = UINT32_MAX;
    head->stamp = stamp;
    head->ids = mpl_ids_pack(site->id, logger_bits, level);
    uint64_t watch = mpl_producer_publish(p, bytes);
""", """\
    head->kind_words = mpl_kind_words(MPL_RECORD_DEFERRED, bytes);
    head->sinks = UINT32_MAX;
    head->stamp = stamp;
    head->ids = mpl_ids_pack(site->id, logger_bits, level);
    uint64_t watch = mpl_producer_publish(p, bytes);
    atomic_signal_fence(memory_order_seq_cst);
    body[0] = a;
    body[1] = b;
    body[2] = c;
    if (text >= 0) {
        body[text] = len;
        put_text((char *)(body + site->word_count), string, len);
    }
""", "torture:kill: short log call"),
    Mutant(1, "published_before_written", "src/producer/log.c", """\
    put_words(body, words, site->word_count);
    if (mask)
        put_strings(body, mask, words, site->word_count, lens);
    mpl_producer_commit(p, bytes, stamp);
""", """\
    mpl_producer_commit(p, bytes, stamp);
    atomic_signal_fence(memory_order_seq_cst);
    put_words(body, words, site->word_count);
    if (mask)
        put_strings(body, mask, words, site->word_count, lens);
""", "torture:kill: fast log call"),
    Mutant((6, 7), "rings_kept_by_a_forked_child", "src/producer/producer.c",
           "        madvise(a, ARENA_BYTES, MADV_WIPEONFORK); /*", "        /*",
           "unit:forked_child_writes_into_a_segment_of_its_own", "bare_clone_is_noticed"),
    Mutant(42, "folder_of_a_link_followed", "src/shm/dir.c",
           "    int fd = mpl_os_fd_above_stdio(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));\n",
           "    int fd = mpl_os_fd_above_stdio(open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC));\n",
           "folder_that_is_a_link_is_refused"),
    Mutant(42, "folder_of_anybody_taken", "src/shm/dir.c",
           "    if (st.st_uid != geteuid())\n", "    if (0)\n", "folder_of_another_user_is_refused"),
    Mutant(42, "folder_of_any_mode_taken", "src/shm/dir.c", "(st.st_mode & 077) != 0", "(st.st_mode & 07) != 07 && 0",
           "folder_that_is_open_to_others_is_refused"),
]
