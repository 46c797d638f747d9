/* SPDX-License-Identifier: Unlicense
 *
 * Takes the place of shm/map.c: within one process, the same bytes of the same file are mapped once. ThreadSanitizer
 * knows accesses by address, so only then does it see what producers and collector do to each other.
 */
#include "shm/map.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct mapping {
    dev_t dev;
    ino_t ino;
    uint64_t offset, bytes;
    char *at;
    unsigned users;
    struct mapping *next;
};

static struct mapping *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct mapping *find(const struct stat *st, uint64_t offset, uint64_t bytes)
{
    for (struct mapping *m = all; m; m = m->next) {
        if (m->dev == st->st_dev && m->ino == st->st_ino && m->offset == offset && m->bytes >= bytes && m->users > 0)
            return m;
    }
    return NULL;
}

static struct mapping *add(const struct stat *st, int fd, uint64_t offset, uint64_t bytes)
{
    struct mapping *m = malloc(sizeof *m);
    /* Behind ThreadSanitizer's back: it takes a mapping for a write to all its bytes, and a relaxed load of the address
     * of one that the library maps in the same place for ever would race with that. */
    long at = syscall(SYS_mmap, NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
    if (!m || at == -1)
        abort();
    *m = (struct mapping){st->st_dev, st->st_ino, offset, bytes, (char *)at, 0, all};
    all = m;
    return m;
}

void *mpl_map(int fd, uint64_t offset, uint64_t bytes)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return NULL;
    pthread_mutex_lock(&lock);
    struct mapping *m = find(&st, offset, bytes);
    if (!m)
        m = add(&st, fd, offset, bytes);
    m->users++;
    pthread_mutex_unlock(&lock);
    return m->at;
}

void *mpl_map_populated(int fd, uint64_t offset, uint64_t bytes) { return mpl_map(fd, offset, bytes); }

/* Elsewhere than asked: the caller takes the address it gets. */
void *mpl_map_at(void *where, int fd, uint64_t offset, uint64_t bytes)
{
    (void)where;
    return mpl_map(fd, offset, bytes);
}

void mpl_unmap(void *at, uint64_t bytes)
{
    (void)bytes;
    pthread_mutex_lock(&lock);
    for (struct mapping **link = &all; *link; link = &(*link)->next) {
        struct mapping *m = *link;
        if (m->at != at || m->users == 0)
            continue;
        if (--m->users == 0) {
            munmap(m->at, m->bytes);
            *link = m->next;
            free(m);
        }
        break;
    }
    pthread_mutex_unlock(&lock);
}

/* The place itself was never replaced. The control file's mapping stays, for threads that still look at it. */
void mpl_map_zeros_at(void *where, uint64_t bytes)
{
    (void)where;
    (void)bytes;
}
