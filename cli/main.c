/* SPDX-License-Identifier: Unlicense */
#include <mplog.h>
#include <stdio.h>
#include <string.h>

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "collect") == 0)
        return mplog_collect_main(argc - 1, argv + 1);
    fprintf(stderr, "mplog: not yet\n");
    return 100;
}
