/* SPDX-License-Identifier: Unlicense */
#include "producer/logger.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/os.h"
#include "producer/process.h"
#include "shm/control.h"

#define BUCKETS 512u /* a power of two; programs have tens to thousands of loggers */
#define ARENA_BYTES 65536u

/* Before any session there is nothing to override. */
static const unsigned no_generation;

/* The level of a session that this process belongs to by birth is found out with the first question about any level:
 * until then no logger is up to date. */
#define STALE_GENERATION 1u
static bool is_root_level_known;

static struct mpl_logger root = {{MPLOG_INFO, STALE_GENERATION, &no_generation}, 0, MPLOG_INFO, NULL, "root", 4};

static struct mpl_logger *table[BUCKETS];
static char *arena;
static size_t arena_left;

static uint32_t hash_of(struct mpl_str name)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < name.len; i++)
        h = (h ^ (unsigned char)name.ptr[i]) * 16777619u;
    return h & (BUCKETS - 1);
}

struct mpl_str mpl_logger_name(const struct mpl_logger *l) { return (struct mpl_str){l->name, l->name_len}; }

static struct mpl_logger *find(struct mpl_str name)
{
    for (struct mpl_logger *l = table[hash_of(name)]; l; l = l->next) {
        if (mpl_str_equal(mpl_logger_name(l), name))
            return l;
    }
    return NULL;
}

/* Another thread may fork anywhere in between: in the child as much as there seems to be is left, or more. */
static struct mpl_logger *allocate(size_t name_len)
{
    size_t bytes = (sizeof(struct mpl_logger) + name_len + 1 + 15) & ~(size_t)15;
    if (bytes > arena_left) {
        size_t fresh = bytes > ARENA_BYTES ? bytes : ARENA_BYTES;
        void *at = mmap(NULL, fresh, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (at == MAP_FAILED)
            return NULL;
        arena_left = 0;
        mpl_os_order_stores();
        arena = at;
        mpl_os_order_stores();
        arena_left = fresh;
    }
    struct mpl_logger *l = (struct mpl_logger *)(void *)arena;
    arena_left -= bytes;
    mpl_os_order_stores();
    arena += bytes;
    return l;
}

/* The session-wide level of that name, if there is one. */
static bool overridden(uint32_t generation, struct mpl_str name, int *level)
{
    char text[MPL_OVERRIDE_NAME_MAX + 1];
    if (generation == 0 || name.len > MPL_OVERRIDE_NAME_MAX)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    return mpl_control_get_override(mpl_process.control, generation, text, level);
}

/* From the logger's name upwards, the first that has a level: overridden by the session, else its own. */
static int effective_level(uint32_t generation, struct mpl_str name)
{
    int level;
    while (name.len > 0) {
        const struct mpl_logger *l = find(name);
        if (overridden(generation, name, &level))
            return level;
        if (l && l->own_level != MPLOG_NOTSET)
            return l->own_level;
        while (name.len > 0 && name.ptr[--name.len] != '.')
            ;
    }
    return overridden(generation, MPL_STR("root"), &level) ? level : root.own_level;
}

void mpl_logger_refresh(struct mpl_logger *l)
{
    if (!is_root_level_known) {
        __atomic_store_n(&l->public.generation, STALE_GENERATION, __ATOMIC_RELAXED);
        return;
    }
    const _Atomic uint32_t *shared = mpl_process.control ? &mpl_process.control->head.level_generation : NULL;
    /* Acquire: partner is mpl_control_set_override, which fills the copy before it changes the generation. */
    uint32_t generation = shared ? atomic_load_explicit(shared, memory_order_acquire) : 0;
    struct mpl_str name = l == &root ? (struct mpl_str){"", 0} : mpl_logger_name(l);
    /* mplog.h reads these three at any time, hence the atomics; it needs no order among them. */
    __atomic_store_n(&l->public.level, effective_level(generation, name), __ATOMIC_RELAXED);
    __atomic_store_n(&l->public.generation, generation, __ATOMIC_RELAXED);
    if (shared)
        __atomic_store_n(&l->public.session_generation, (const unsigned *)(const void *)shared, __ATOMIC_RELAXED);
}

void mpl_logger_refresh_all(void)
{
    mpl_logger_refresh(&root);
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct mpl_logger *l = table[i]; l; l = l->next)
            mpl_logger_refresh(l);
    }
}

static struct mpl_logger *add(struct mpl_str name)
{
    struct mpl_logger *l = allocate(name.len);
    if (!l)
        return &root;
    l->own_level = MPLOG_NOTSET;
    l->public.session_generation = &no_generation;
    l->name_len = (uint32_t)name.len;
    l->name = memcpy(l + 1, name.ptr, name.len);
    struct mpl_logger **bucket = &table[hash_of(name)];
    l->next = *bucket;
    mpl_logger_refresh(l);
    mpl_os_order_stores(); /* whole before anybody finds it, in a child that is forked now too */
    *bucket = l;
    return l;
}

struct mpl_logger *mpl_logger_get(const char *name)
{
    struct mpl_str wanted = mpl_str_from(name);
    if (wanted.len == 0 || mpl_str_equal(wanted, MPL_STR("root")))
        return &root;
    struct mpl_logger *l = find(wanted);
    return l ? l : add(wanted);
}

void mpl_logger_settle(void)
{
    if (!is_root_level_known)
        mpl_logger_set_level(&root, mpl_process_host.level_fn());
}

void mpl_logger_set_level(struct mpl_logger *l, int level)
{
    l->own_level = level;
    is_root_level_known = is_root_level_known || l == &root;
    mpl_logger_refresh_all();
}
