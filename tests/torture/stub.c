/* SPDX-License-Identifier: Unlicense
 *
 * Stands where the helper is expected, as a symbolic link named "mplog" in the folder of a gate (gate.h): gives itself
 * to the tracer if it is wanted, and then becomes the helper that the link "real" beside it names. Variables for the
 * helper stand in a file "environment" there, one a line: sessions hand none on.
 */
#include <stdlib.h>
#include <string.h>

#include "gate.h"

static void take_environment(const char *dir)
{
    static char line[1024];
    char path[PATH_MAX];
    FILE *f = gate_path(path, dir, "environment") ? fopen(path, "re") : NULL;
    while (f && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = '\0';
        char *copy = strdup(line);
        if (copy)
            putenv(copy);
    }
    if (f)
        fclose(f);
}

int main(int argc, char **argv)
{
    char dir[PATH_MAX], real[PATH_MAX];
    char *slash;
    (void)argc;
    if (strlen(argv[0]) >= sizeof dir || !(slash = strrchr(strcpy(dir, argv[0]), '/')))
        return 100;
    *slash = '\0';
    if (gate_enter(dir))
        take_environment(dir);
    if (gate_path(real, dir, "real"))
        execv(real, argv);
    return 127;
}
