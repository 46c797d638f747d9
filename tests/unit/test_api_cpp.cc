// SPDX-License-Identifier: Unlicense
#include "api.h"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

int main()
{
    char path[] = "/tmp/mplog-api-XXXXXX";
    int fd = mkstemp(path);
    struct mplog_options o = MPLOG_OPTIONS_INIT;
    o.log_file = path;
    o.log_to_stderr = false;
    o.collector = "thread";
    o.format_string = "%(levelname)s %(message)s";
    std::printf("1..1\n");
    if (fd < 0 || mplog_setup_logging(&o) < 0) {
        std::printf("not ok 1 - set_up: %s\n", mplog_last_error());
        return 1;
    }
    int records = log_everything(mplog_get_logger("api"));
    [] { mplog_info(mplog_get_logger("api"), "in a lambda %s", "too"); }();
    mplog_shutdown_logging();
    std::string text;
    for (char c; read(fd, &c, 1) == 1;)
        text += c;
    close(fd);
    unlink(path);
    int lines = 0;
    for (char c : text)
        lines += c == '\n';
    bool is_right = lines == records + 2 && // the exception's line, and the lambda's
                    text.find("INFO -4 -5 c 5 -3\n") != std::string::npos &&
                    text.find("INFO 1.500000 -0.25 0x1p+0 2.500000\n") != std::string::npos &&
                    text.find("INFO in a lambda too\n") != std::string::npos;
    if (!is_right)
        std::printf("# %d records, %d lines: %s\n", records, lines, text.c_str());
    std::printf("%sok 1 - every_macro_works_from_cpp\n", is_right ? "" : "not ");
    return is_right ? 0 : 1;
}
