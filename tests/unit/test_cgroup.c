/* SPDX-License-Identifier: Unlicense
 *
 * Memory limits of cgroups, in folders that look like those of the kernel.
 */
#include "harness.h"

#include <sys/stat.h>

#include "base/cgroup.h"
#include "files.h"

static char mounts[4096];

/* Folders below the one where hierarchies are mounted. */
static void make(const char *const *folders)
{
    char path[8192];
    files_begin();
    snprintf(mounts, sizeof mounts, "%s", files_path("cgroup", 0));
    mkdir(mounts, 0700);
    for (; *folders; folders++) {
        snprintf(path, sizeof path, "%s/%s", mounts, *folders);
        CHECK_INT(mkdir(path, 0700), 0);
    }
}

static void put(const char *name, const char *text)
{
    char path[8192];
    snprintf(path, sizeof path, "%s/%s", mounts, name);
    files_write(path, text);
}

static uint64_t limit_of(const char *groups) { return mpl_cgroup_memory_limit_of(mpl_str_from(groups), mounts); }

static void limit_of_version_2_is_the_least_on_the_way_up(void)
{
    make((const char *const[]){"a", "a/b", "ab", NULL});
    put("a/b/memory.max", "max\n");
    CHECK(limit_of("0::/a/b\n") == UINT64_MAX);
    put("a/memory.max", "67108864\n");
    CHECK(limit_of("0::/a/b\n") == 64 << 20);
    put("a/b/memory.max", "1048576\n");
    CHECK(limit_of("0::/a/b\n") == 1 << 20);
    CHECK(limit_of("0::/a\n") == 64 << 20);
    CHECK(limit_of("0::/ab\n") == UINT64_MAX); /* begins like a group that has one */
    CHECK(limit_of("0::/\n") == UINT64_MAX);   /* the root has no such file */
}

static void limit_of_version_1_is_the_least_on_the_way_up(void)
{
    make((const char *const[]){"memory", "memory/a", "memory/a/b", "cpu", NULL});
    put("memory/memory.limit_in_bytes", "9223372036854771712\n");
    put("memory/a/memory.limit_in_bytes", "33554432\n");
    put("memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
    CHECK(limit_of("5:cpu:/\n4:memory:/a/b\n0::/\n") == 32 << 20);
    CHECK(limit_of("4:hugetlb,memory,pids:/a/b") == 32 << 20);
    CHECK(limit_of("4:memory2,emory:/a/b\n1:name=memory:/a\n") == UINT64_MAX);
    CHECK(limit_of("4:memory:/\n") == UINT64_C(9223372036854771712));
}

/* As containers see it whose mount begins at their own group, but whose groups are named from the machine's root. */
static void group_that_is_not_below_its_mount_has_the_limit_of_the_mount(void)
{
    make((const char *const[]){"memory", NULL});
    put("memory/memory.limit_in_bytes", "536870912\n");
    CHECK(limit_of("4:memory:/docker/0123456789abcdef\n") == 512 << 20);
    put("memory.max", "268435456\n");
    CHECK(limit_of("0::/../sibling\n") == 256 << 20);
    CHECK(limit_of("0::/x\n4:memory:/y\n") == 256 << 20);
}

static void text_that_is_none_of_the_kernels_is_no_limit(void)
{
    static char text[6000];
    make((const char *const[]){NULL});
    put("memory.max", "12 bytes\n");
    CHECK(limit_of("0::/\n") == UINT64_MAX);
    put("memory.max", "");
    CHECK(limit_of("0::/\n") == UINT64_MAX);
    put("memory.max", "99999999999999999999999\n");
    CHECK(limit_of("0::/\n") == UINT64_MAX);
    put("memory.max", "4096");
    CHECK(limit_of("0::/\n") == 4096);
    CHECK(limit_of("") == UINT64_MAX);
    CHECK(limit_of("\n\n:::\n0:\n0::") == 4096); /* the last one names the root */
    memset(text, 'x', sizeof text - 1);
    memcpy(text, "0::/", 4);
    CHECK(limit_of(text) == UINT64_MAX); /* no path is that long */
    uint64_t seed = 7;
    for (int round = 0; round < 2000; round++) {
        size_t n = test_random(&seed) % 300;
        for (size_t i = 0; i < n; i++)
            text[i] = ":\n/,.0memory"[test_random(&seed) % 12];
        uint64_t limit = mpl_cgroup_memory_limit_of((struct mpl_str){text, n}, mounts);
        CHECK(limit == UINT64_MAX || limit == 4096);
    }
}

TEST_MAIN(TEST_CASE(limit_of_version_2_is_the_least_on_the_way_up),
          TEST_CASE(limit_of_version_1_is_the_least_on_the_way_up),
          TEST_CASE(group_that_is_not_below_its_mount_has_the_limit_of_the_mount),
          TEST_CASE(text_that_is_none_of_the_kernels_is_no_limit))
