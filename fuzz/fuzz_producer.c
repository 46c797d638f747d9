/* SPDX-License-Identifier: Unlicense
 *
 * A host whose shared memory others write over: its log calls neither crash nor block it. Commands of stage.h for the
 * fields and bytes of control and segment, "message", "put" and "pass", and these:
 *
 *     call <n>                    one of the call sites below
 *     text <bytes>                a text record of that length
 *     record                      one with attributes of its own
 *     thread                      a call from a thread, which then ends
 *     thread-name <name>
 *     process-name <name>
 *     level <logger> <number>     of this process
 *     session-level <logger> <number>
 *     rejoin                      into another session, with all definitions
 */
#include "fuzz.h"
#include "session_by_hand.h"
#include "stage_private.h"

#include <pthread.h>

#define TEXT_BYTES_MAX 300000u /* larger rings than the largest allowed one, and rings of their own */

int stage_dir_fd = -1, stage_log_fd = -1, stage_err_fd = -1;
const char *stage_log_path = hand_log;
uint64_t stage_ring_offset[2], stage_def_offset;

#define SITE(format, flags)                                                                                            \
    ((struct mplog_site){format, __FILE__, "function", __LINE__, flags, 0, 0, 0, 0, 0, mplog_site_log_few})
#define SITE_COUNT 6u

static struct mplog_site sites[SITE_COUNT];

static void reset_sites(void)
{
    const struct mplog_site fresh[SITE_COUNT] = {
        SITE("no arguments", 0), SITE("%d %f", 0),    SITE("%s and %s", 0),
        SITE("%.*s|%ls", 0),     SITE("open: %m", 0), SITE("failed", MPLOG_SITE_ERRNO_),
    };
    memcpy(sites, fresh, sizeof sites);
}

/* ---- the session ---- */

/* A full ring is waited for 2 ms; more than five seconds would be without bound, on a busy machine too. */
#define CALL_MAX_NS UINT64_C(5000000000)

static void begin(void)
{
    struct mplog_options o = hand_options();
    o.block_timeout_ms = 2;
    o.ring_max_bytes = 131072;
    hand_begin(&o);
    mplog_log_text(mplog_get_logger("fuzz"), MPLOG_CRITICAL, "first", 5); /* makes the ring */
    stage_dir_fd = mpl_dir_open(hand_session.dir);
    FUZZ_CHECK(stage_dir_fd >= 0);
    stage_def_offset = atomic_load(&mpl_process.segment->head->first_def_offset);
    stage_ring_offset[0] = stage_ring_offset[1] = atomic_load(&mpl_process.segment->head->first_ring_offset);
}

static void end(void)
{
    close(stage_dir_fd);
    hand_end();
}

/* The next input finds a process that has defined nothing yet. */
static void forget_definitions(void)
{
    static const char *const loggers[] = {"fuzz", "fuzz.a", "root"};
    mpl_segment_close(mpl_process.segment);
    mpl_process.last_def_id = 0;
    reset_sites();
    for (size_t i = 0; i < sizeof loggers / sizeof loggers[0]; i++) {
        mplog_logger *l = mplog_get_logger(loggers[i]);
        mplog_set_level(l, i < 2 ? MPLOG_NOTSET : MPLOG_INFO);
        atomic_store(&mpl_logger_of(l)->id_bits, 0);
    }
}

bool stage_pass(void)
{
    hand_pass();
    return true;
}

bool stage_take_over(void) { return false; }

void stage_turn(void) {}
void stage_check_lives(void) {}
void stage_report(void) {}
void stage_recover(void) {}
void stage_put_beside(struct mpl_str name) { (void)name; }
void stage_put_within(struct mpl_str name) { (void)name; }

/* ---- log calls ---- */

static void call(uint64_t n)
{
    static const double number = 2.5;
    uint64_t words[4] = {0}, bits;
    memcpy(&bits, &number, sizeof bits);
    mplog_logger *log = mplog_get_logger(n % 2 ? "fuzz" : "fuzz.a");
    struct mplog_site *site = &sites[n % SITE_COUNT];
    switch (n % SITE_COUNT) {
    case 1: words[0] = 7, words[1] = bits; break;
    case 2: words[0] = mplog_word_pointer("one"), words[1] = mplog_word_pointer("a longer text"); break;
    case 3: words[0] = 3, words[1] = mplog_word_pointer("cut here"), words[2] = mplog_word_pointer(L"wide"); break;
    default: break;
    }
    if (!mplog_is_enabled_for(log, MPLOG_INFO))
        return;
    if (n % 4)
        site->log_few_fn(site, log, MPLOG_INFO, words[0], words[1], words[2]);
    else
        mplog_site_log(site, log, MPLOG_INFO, words);
}

static void log_text(uint64_t bytes)
{
    static char text[TEXT_BYTES_MAX];
    if (!text[0])
        memset(text, 'a', sizeof text); /* plain: the collector's work with it is not the matter here */
    mplog_log_text(mplog_get_logger("fuzz"), MPLOG_CRITICAL, text, bytes % TEXT_BYTES_MAX);
}

static void log_record(void)
{
    struct mplog_record r = MPLOG_RECORD_INIT;
    r.message = "text";
    r.message_len = 4;
    r.path = "/a/b.c";
    r.created_ns = 1;
    mplog_log_record(mplog_get_logger("fuzz"), &r);
}

static void *log_from_thread(void *arg)
{
    (void)arg;
    call(2);
    return NULL;
}

static void log_in_thread(void)
{
    pthread_t thread;
    FUZZ_CHECK(pthread_create(&thread, NULL, log_from_thread, NULL) == 0);
    pthread_join(thread, NULL);
}

static void set_level(struct mpl_str line, bool is_session_wide)
{
    char *name = fuzz_cstr(fuzz_word(&line));
    int level = (int)fuzz_next_number(&line);
    bool is_own = strcmp(name, "fuzz") == 0 || strcmp(name, "fuzz.a") == 0; /* loggers are never freed */
    if (is_session_wide)
        mpl_control_set_override(mpl_process.control, hand_session.control_fd, name, level);
    else if (is_own)
        mplog_set_level(mplog_get_logger(name), level);
    free(name);
}

static void set_name(struct mpl_str name, bool is_process)
{
    char *text = fuzz_cstr(name);
    if (is_process)
        mplog_set_process_name(text);
    else
        mplog_set_thread_name(text);
    free(text);
}

static void run(struct mpl_str whole)
{
    static const char *const refused[] = {"truncate", "remove", "fifo", "text control", "takeover", "rotate", "log"};
    struct mpl_str line = whole, command = fuzz_word(&line);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        if (mpl_str_equal(command, mpl_str_from(refused[i])))
            return;
    }
    if (mpl_str_equal(command, MPL_STR("call")))
        call(fuzz_next_number(&line));
    else if (mpl_str_equal(command, MPL_STR("text")))
        log_text(fuzz_next_number(&line));
    else if (mpl_str_equal(command, MPL_STR("record")))
        log_record();
    else if (mpl_str_equal(command, MPL_STR("thread")))
        log_in_thread();
    else if (mpl_str_equal(command, MPL_STR("thread-name")))
        set_name(line, false);
    else if (mpl_str_equal(command, MPL_STR("process-name")))
        set_name(line, true);
    else if (mpl_str_equal(command, MPL_STR("level")))
        set_level(line, false);
    else if (mpl_str_equal(command, MPL_STR("session-level")))
        set_level(line, true);
    else if (mpl_str_equal(command, MPL_STR("rejoin")))
        end(), begin();
    else
        stage_run(whole);
}

static void set_up(void)
{
    if (hand_dir[0])
        return;
    hand_directory();
    reset_sites();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mpl_str rest = {(const char *)data, size};
    set_up();
    begin();
    while (rest.len > 0) {
        uint64_t begin_ns = mpl_clock_monotonic_ns();
        run(fuzz_line(&rest));
        FUZZ_CHECK(mpl_clock_monotonic_ns() - begin_ns < CALL_MAX_NS);
    }
    end();
    forget_definitions();
    return 0;
}

__attribute__((destructor)) static void remove_directory(void) { rmdir(hand_dir); }
