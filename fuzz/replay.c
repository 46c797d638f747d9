/* SPDX-License-Identifier: Unlicense
 *
 * Runs a fuzz target on the files of a folder, one test for each: what the fuzzer has found once stays found, in every
 * build and without libFuzzer.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "fuzz.h"

#define FILE_BYTES_MAX 65536u

static int is_visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static void replay(const char *folder, const char *name)
{
    static char bytes[FILE_BYTES_MAX];
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "r");
    if (!f) {
        printf("Bail out! %s cannot be read\n", path);
        exit(1);
    }
    struct mpl_str input = {bytes, fread(bytes, 1, sizeof bytes, f)};
    fclose(f);
    char *copy = fuzz_copy(input);
    LLVMFuzzerTestOneInput((const uint8_t *)copy, input.len);
    free(copy);
}

int main(int argc, char **argv)
{
    struct dirent **entries;
    int count = argc == 2 ? scandir(argv[1], &entries, is_visible, alphasort) : -1;
    if (count <= 0) {
        printf("Bail out! usage: %s FOLDER-WITH-INPUTS\n", argv[0]);
        return 1;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("1..%d\n", count);
    for (int i = 0; i < count; i++) {
        printf("# %s\n", entries[i]->d_name); /* a crash has no other line */
        replay(argv[1], entries[i]->d_name);
        printf("ok %d - %s\n", i + 1, entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return 0;
}
