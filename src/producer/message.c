/* SPDX-License-Identifier: Unlicense */
#include "producer/message.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/error.h"
#include "base/os.h"
#include "shm/abi.h"

static void *map_pages(size_t bytes)
{
    void *pages = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return pages == MAP_FAILED ? NULL : pages;
}

/* Wide strings as UTF-8, one behind the other. */
static void put_wide(const struct mpl_cformat *f, struct mpl_arg *args, struct mpl_text *t)
{
    for (unsigned i = 0; i < f->arg_count; i++) {
        size_t begin = t->len;
        if (f->arg[i].class != MPL_ARG_WIDE_STRING || !args[i].str.ptr)
            continue;
        mpl_cformat_wide(f, args, i, args[i].str.ptr, t);
        if (t->data) /* else: counted only */
            args[i].str = (struct mpl_str){t->data + begin, t->len - begin};
    }
}

static void append(struct mpl_text *out, const struct mpl_cformat *f, struct mpl_str format, const struct mpl_arg *args,
                   int error, bool show_error)
{
    char reason[128];
    if (f->conversion_count == 0)
        mpl_text_str(out, format);
    else
        mpl_cformat_render(f, format, args, error, out);
    if (show_error)
        mpl_text_printf(out, ": %s (errno %d)", mpl_errno_text(error, reason, sizeof reason), error);
}

static void render(struct mpl_message *m, const struct mpl_cformat *f, struct mpl_str format,
                   const struct mpl_arg *args, int error, bool show_error)
{
    struct mpl_text t = {m->stack, 0, sizeof m->stack - 1};
    append(&t, f, format, args, error, show_error);
    size_t bytes = t.len < MPL_MESSAGE_MAX ? t.len : MPL_MESSAGE_MAX;
    if (!mpl_text_fits(&t) && (m->pages = map_pages(bytes + 1)) != NULL) {
        m->page_bytes = bytes + 1;
        t = (struct mpl_text){m->pages, 0, bytes};
        append(&t, f, format, args, error, show_error);
    }
    m->text = (struct mpl_str){t.data, mpl_text_fits(&t) ? t.len : t.cap};
    t.data[m->text.len] = '\n';
}

void mpl_message_render(struct mpl_message *m, const struct mpl_cformat *f, struct mpl_str format, struct mpl_arg *args,
                        int error, bool show_error)
{
    struct mpl_text wide = {NULL, 0, 0};
    int saved_errno = errno;
    m->pages = NULL;
    put_wide(f, args, &wide);
    size_t wide_bytes = wide.len;
    if (wide_bytes > 0) {
        /* Out of memory: they are shown as empty. */
        wide = (struct mpl_text){map_pages(wide_bytes), 0, wide_bytes};
        wide.cap = wide.data ? wide_bytes : 0;
        put_wide(f, args, &wide);
        for (unsigned i = 0; !wide.data && i < f->arg_count; i++) {
            if (f->arg[i].class == MPL_ARG_WIDE_STRING)
                args[i].str = MPL_STR("");
        }
    }
    void *locale = mpl_cformat_use_c_locale();
    render(m, f, format, args, error, show_error);
    mpl_cformat_restore_locale(locale);
    if (wide.data)
        munmap(wide.data, wide_bytes);
    errno = saved_errno;
}

void mpl_message_free(struct mpl_message *m)
{
    if (m->pages)
        munmap(m->pages, m->page_bytes);
}
