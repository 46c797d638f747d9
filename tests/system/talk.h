/* SPDX-License-Identifier: Unlicense
 *
 * A thread's numbered messages, and the shared file in which it notes how many of its log calls have returned: what a
 * test knows of a process that was killed.
 */
#ifndef TESTS_SYSTEM_TALK_H
#define TESTS_SYSTEM_TALK_H

#include <fcntl.h>
#include <mplog.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "numbered.h"
#include "producer/binding.h"

#define TALLIES_MAX 16383u /* a MiB, of which only what is used has pages */

struct tally {
    char name[NUMBERED_NAME_MAX + 1];
    _Atomic uint64_t returned;   /* log calls */
    _Atomic uint64_t slowest_ns; /* of them */
};

struct tallies {
    _Atomic uint64_t used;
    _Atomic uint64_t must_stop; /* the test says: enough; 2: of waiting after the last call, too */
    uint64_t reserved[6];
    struct tally entry[TALLIES_MAX];
};

_Static_assert(sizeof(struct tally) == 64, "support.py knows the layout");

static inline struct tallies *tallies_open(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    struct tallies *t = MAP_FAILED;
    if (fd >= 0 && ftruncate(fd, sizeof *t) == 0)
        t = mmap(NULL, sizeof *t, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (t == MAP_FAILED) {
        perror(path);
        exit(111);
    }
    close(fd);
    return t;
}

struct talker {
    char name[NUMBERED_NAME_MAX + 1];
    mplog_logger *logger;
    struct tally *tally; /* NULL: nobody wants to know */
    uint32_t next;       /* number of the next message */
    char *buffer;
};

static inline uint64_t talk_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * UINT64_C(1000000000) + (uint64_t)t.tv_nsec;
}

static inline void talk_sleep_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    if (ms > 0)
        nanosleep(&t, NULL);
}

static inline void talk_begin(struct talker *t, struct tallies *tallies, uint32_t longest, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static inline void talk_begin(struct talker *t, struct tallies *tallies, uint32_t longest, const char *format, ...)
{
    va_list ap;
    *t = (struct talker){.logger = mplog_get_logger("test")};
    va_start(ap, format);
    vsnprintf(t->name, sizeof t->name, format, ap);
    va_end(ap);
    /* No malloc: this may be a child of a multithreaded parent. */
    t->buffer = mmap(NULL, NUMBERED_HEAD_MAX + longest + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (t->buffer == MAP_FAILED)
        abort();
    if (tallies) {
        t->tally = &tallies->entry[atomic_fetch_add(&tallies->used, 1)];
        memcpy(t->tally->name, t->name, sizeof t->name);
    }
}

static inline void talk_end(struct talker *t, uint32_t longest) { munmap(t->buffer, NUMBERED_HEAD_MAX + longest + 1); }

static uint32_t talk_sinks; /* 0: those that are for all */

/* As a language binding does that knows to which sinks a message goes. */
static inline void talk_to_sinks(const struct talker *t, size_t len)
{
    char body[8 + 1024];
    uint64_t text_len = len;
    if (len > sizeof body - 8)
        abort();
    memcpy(body, &text_len, 8);
    memcpy(body + 8, t->buffer, len);
    struct mpl_binding_record r = {.logger = mpl_logger_of(t->logger),
                                   .level = MPLOG_INFO,
                                   .kind = MPL_RECORD_TEXT,
                                   .sinks = talk_sinks,
                                   .body = {body, 8 + len}};
    uint64_t largest;
    mpl_binding_write(&r, MPL_WAITS_HERE, &largest);
}

/* The next message, of `len` bytes of filler: two of three through deferred arguments, one as finished text. */
static inline void talk(struct talker *t, uint32_t len)
{
    uint64_t begin_ns = t->tally ? talk_now_ns() : 0;
    if (talk_sinks) {
        talk_to_sinks(t, numbered_format(t->buffer, t->name, t->next, len));
    } else if (t->next % 3 == 2) {
        size_t n = numbered_format(t->buffer, t->name, t->next, len);
        mplog_log_text(t->logger, MPLOG_INFO, t->buffer, n);
    } else {
        NUMBERED_LOG(t->logger, t->name, t->next, len, t->buffer);
    }
    t->next++;
    if (!t->tally)
        return;
    atomic_store(&t->tally->returned, t->next);
    uint64_t took_ns = talk_now_ns() - begin_ns;
    if (took_ns > atomic_load_explicit(&t->tally->slowest_ns, memory_order_relaxed))
        atomic_store_explicit(&t->tally->slowest_ns, took_ns, memory_order_relaxed);
}

#endif
