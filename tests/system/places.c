/* SPDX-License-Identifier: Unlicense
 *
 *     places OPTION...    takes its locale from the environment, logs numbers, and says whether its decimal point is a
 *                         comma
 */
#include <locale.h>
#include <mplog.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    static struct mplog_options o = MPLOG_OPTIONS_INIT;
    setlocale(LC_ALL, "");
    for (int i = 1; i < argc; i++) {
        char *equals = strchr(argv[i], '=');
        *equals = '\0';
        if (mplog_options_set(&o, argv[i], equals + 1) < 0) {
            fprintf(stderr, "places: %s\n", mplog_last_error());
            return 100;
        }
    }
    if (mplog_setup_logging(&o) < 0) {
        fprintf(stderr, "places: %s\n", mplog_last_error());
        return 111;
    }
    mplog_info(mplog_get_logger("a"), "%.2f %g %g %s", 1234.5, 3.14159, 1e6, "I");
    pid_t pid = fork();
    if (pid == 0) {
        mplog_info(mplog_get_logger("a"), "%.2f", 0.25);
        exit(0);
    }
    printf("comma=%d\n", strcmp(localeconv()->decimal_point, ",") == 0);
    return waitpid(pid, NULL, 0) == pid ? 0 : 1;
}
