/* SPDX-License-Identifier: Unlicense
 *
 * What a crash handler can find out without locks and without malloc: no dladdr, which takes the dynamic linker's lock,
 * but /proc/self/maps.
 */
#include <fcntl.h>
#include <stdint.h>
#include <ucontext.h>
#include <unistd.h>

#include "producer/crash.h"

#if defined(__GLIBC__)
#include <execinfo.h>
#else
/* musl has none. */
static int backtrace(void **frames, int max)
{
    (void)frames;
    (void)max;
    return 0;
}
#endif

/* ---- the signal ---- */

static const struct {
    int number;
    const char *name;
} signals[] = {{SIGSEGV, "SIGSEGV"}, {SIGBUS, "SIGBUS"}, {SIGFPE, "SIGFPE"}, {SIGILL, "SIGILL"}, {SIGABRT, "SIGABRT"}};

static const struct {
    int number, code;
    const char *text;
} codes[] = {
    {SIGSEGV, SEGV_MAPERR, "address not mapped (SEGV_MAPERR)"},
    {SIGSEGV, SEGV_ACCERR, "access not permitted (SEGV_ACCERR)"},
    {SIGSEGV, SI_KERNEL, "not an address, or a limit (SI_KERNEL)"},
    {SIGBUS, BUS_ADRALN, "misaligned address (BUS_ADRALN)"},
    {SIGBUS, BUS_ADRERR, "nothing behind the address (BUS_ADRERR)"},
    {SIGBUS, BUS_OBJERR, "hardware error (BUS_OBJERR)"},
    {SIGFPE, FPE_INTDIV, "integer division by zero (FPE_INTDIV)"},
    {SIGFPE, FPE_INTOVF, "integer overflow (FPE_INTOVF)"},
    {SIGFPE, FPE_FLTDIV, "division by zero (FPE_FLTDIV)"},
    {SIGFPE, FPE_FLTOVF, "overflow (FPE_FLTOVF)"},
    {SIGFPE, FPE_FLTUND, "underflow (FPE_FLTUND)"},
    {SIGFPE, FPE_FLTINV, "invalid operation (FPE_FLTINV)"},
    {SIGILL, ILL_ILLOPC, "illegal opcode (ILL_ILLOPC)"},
    {SIGILL, ILL_ILLOPN, "illegal operand (ILL_ILLOPN)"},
};

static void put_hex(struct mpl_text *t, uint64_t value)
{
    unsigned digits = 1;
    while (digits < 16 && value >> (4 * digits))
        digits++;
    mpl_text_str(t, MPL_STR("0x"));
    mpl_text_hex(t, value, digits);
}

static void put_code(struct mpl_text *t, int number, const siginfo_t *info)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].number == number && codes[i].code == info->si_code) {
            mpl_text_str(t, mpl_str_from(codes[i].text));
            return;
        }
    }
    mpl_text_str(t, MPL_STR("code "));
    mpl_text_i64(t, info->si_code);
}

void mpl_crash_put_signal(struct mpl_text *t, int number, const siginfo_t *info)
{
    for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
        if (signals[i].number == number)
            mpl_text_str(t, mpl_str_from(signals[i].name));
    }
    mpl_text_str(t, MPL_STR(" ("));
    mpl_text_i64(t, number);
    mpl_text_str(t, MPL_STR("): "));
    if (info->si_code <= 0) { /* by kill, raise, abort, sigqueue */
        mpl_text_str(t, MPL_STR("sent by process "));
        mpl_text_i64(t, info->si_pid);
        mpl_text_str(t, info->si_pid == getpid() ? MPL_STR(", itself") : MPL_STR(""));
        return;
    }
    put_code(t, number, info);
    mpl_text_str(t, MPL_STR(" at "));
    put_hex(t, (uint64_t)(uintptr_t)info->si_addr);
}

/* ---- the stack ---- */

#define FRAMES_MAX 48
#define PATH_SHOWN_MAX 120 /* the end of longer ones */

/* Not on the stack, which may be small: only one thread tells of a crash. */
static void *addresses[FRAMES_MAX];
static struct frame {
    uint64_t base; /* where its file begins in memory; 0: not found */
    char path[PATH_SHOWN_MAX];
    size_t path_len;
} frames[FRAMES_MAX];
static char maps[4096]; /* a window of /proc/self/maps; no line is longer than its file name and 73 */

void mpl_crash_report_prepare(void) { backtrace(addresses, 1); /* loads libgcc_s */ }

/* A line of maps: "start-end perms offset dev inode   path". */
struct mapping {
    uint64_t start, end, offset;
    struct mpl_str path;
};

static const char *parse_hex(const char *at, const char *end, uint64_t *value)
{
    for (*value = 0; at < end; at++) {
        unsigned digit = *at >= '0' && *at <= '9'   ? (unsigned)(*at - '0')
                         : *at >= 'a' && *at <= 'f' ? (unsigned)(*at - 'a' + 10)
                                                    : 16;
        if (digit == 16)
            break;
        *value = *value << 4 | digit;
    }
    return at < end ? at + 1 : end;
}

static struct mapping parse_mapping(const char *line, const char *end)
{
    struct mapping m = {0, 0, 0, {"", 0}};
    const char *at = parse_hex(line, end, &m.start);
    at = parse_hex(at, end, &m.end);
    at += end - at > 5 ? 5 : end - at; /* permissions */
    parse_hex(at, end, &m.offset);
    const char *path = memchr(at, '/', (size_t)(end - at));
    path = path ? path : memchr(at, '[', (size_t)(end - at)); /* [vdso] */
    if (path)
        m.path = (struct mpl_str){path, (size_t)(end - path)};
    return m;
}

/* `base`: where the first mapping of the file begins that `m` belongs to. */
static void name_frames(const struct mapping *m, uint64_t base, int count)
{
    for (int i = 0; i < count; i++) {
        uint64_t address = (uint64_t)(uintptr_t)addresses[i];
        struct frame *f = &frames[i];
        if (address < m->start || address >= m->end || m->path.len == 0)
            continue;
        size_t skipped = m->path.len > PATH_SHOWN_MAX ? m->path.len - PATH_SHOWN_MAX : 0;
        f->base = base;
        f->path_len = m->path.len - skipped;
        memcpy(f->path, m->path.ptr + skipped, f->path_len);
    }
}

static void name_all_frames(int count)
{
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    size_t len = 0;
    uint64_t base = 0;
    for (ssize_t n; fd >= 0 && (n = read(fd, maps + len, sizeof maps - len)) > 0;) {
        char *line = maps, *newline;
        len += (size_t)n;
        while ((newline = memchr(line, '\n', len - (size_t)(line - maps))) != NULL) {
            struct mapping m = parse_mapping(line, newline);
            base = m.offset == 0 ? m.start : base;
            name_frames(&m, base, count);
            line = newline + 1;
        }
        len -= (size_t)(line - maps);
        memmove(maps, line, len);
    }
    if (fd >= 0)
        close(fd);
}

/* Where the interrupted code was; 0: not known on this machine. */
static uint64_t program_counter(const void *context)
{
    const ucontext_t *c = context;
#if defined(__x86_64__)
    return (uint64_t)c->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return c->uc_mcontext.pc;
#else
    (void)c;
    return 0;
#endif
}

static void put_frame(struct mpl_text *t, int number, uint64_t address, const struct frame *f)
{
    mpl_text_str(t, MPL_STR("\n  #"));
    mpl_text_i64(t, number);
    mpl_text_char(t, ' ');
    mpl_text_append(t, f->base ? f->path : "?", f->base ? f->path_len : 1);
    mpl_text_char(t, '+');
    put_hex(t, address - f->base);
    mpl_text_str(t, MPL_STR(" ["));
    put_hex(t, address);
    mpl_text_char(t, ']');
}

void mpl_crash_put_stack(struct mpl_text *t, const void *context)
{
    uint64_t pc = program_counter(context);
    int count = backtrace(addresses, FRAMES_MAX), first = 0;
    while (first < count && (uint64_t)(uintptr_t)addresses[first] != pc)
        first++; /* our own frames */
    if (first == count) {
        /* The stack cannot be followed through the signal: what is certain is the place itself. */
        first = 0;
        count = 1;
        addresses[0] = (void *)(uintptr_t)pc;
    }
    for (int i = 0; i < count; i++)
        frames[i].base = 0;
    name_all_frames(count);
    for (int i = first; i < count; i++)
        put_frame(t, i - first, (uint64_t)(uintptr_t)addresses[i], &frames[i]);
}
