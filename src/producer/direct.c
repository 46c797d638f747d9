/* SPDX-License-Identifier: Unlicense */
#include "producer/direct.h"

#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "base/os.h"

/* Most messages fit this much stack; longer ones are rendered again into pages of their own. */
#define STACK_BYTES 512u

static void write_out(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t written = write(STDERR_FILENO, bytes, n);
        if (written <= 0)
            return; /* nowhere else to go */
        bytes += written;
        n -= (size_t)written;
    }
}

void mpl_direct_text(int level, struct mpl_str message)
{
    if (level < MPLOG_WARNING)
        return;
    write_out(message.ptr, message.len);
    write_out("\n", 1);
}

static void render(struct mpl_text *out, const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args,
                   int error, bool show_error)
{
    char reason[128];
    if (f->conversion_count == 0)
        mpl_text_str(out, format);
    else
        mpl_cformat_render(f, format, args, error, out);
    if (show_error)
        mpl_text_printf(out, ": %s (errno %d)", mpl_errno_text(error, reason, sizeof reason), error);
    mpl_text_char(out, '\n');
}

void mpl_direct_format(int level, const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args,
                       int error, bool show_error)
{
    char stack[STACK_BYTES];
    if (level < MPLOG_WARNING)
        return;
    struct mpl_text t = {stack, 0, sizeof stack};
    void *locale = mpl_cformat_use_c_locale();
    render(&t, f, format, args, error, show_error);
    if (!mpl_text_fits(&t)) {
        size_t bytes = (size_t)mpl_os_page_round(t.len);
        void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (pages != MAP_FAILED) {
            struct mpl_text long_text = {pages, 0, bytes};
            render(&long_text, f, format, args, error, show_error);
            write_out(pages, long_text.len < bytes ? long_text.len : bytes);
            munmap(pages, bytes);
        }
    } else {
        write_out(stack, t.len);
    }
    mpl_cformat_restore_locale(locale);
}
