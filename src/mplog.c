/* SPDX-License-Identifier: Unlicense
 *
 * The public functions of mplog.h: each a few lines over the parts that do the work.
 */
#include <mplog.h>

#include <errno.h>
#include <string.h>

#include "base/cformat.h"
#include "base/error.h"
#include "base/level.h"
#include "base/os.h"
#include "base/utf8.h"
#include "collector/helper.h"
#include "config/options.h"
#include "producer/crash.h"
#include "producer/log.h"
#include "producer/logger.h"
#include "producer/nested.h"
#include "producer/process.h"
#include "producer/producer.h"
#include "session/recover.h"
#include "session/report.h"
#include "session/session.h"

const char *mplog_version(void) { return MPLOG_VERSION; }

int mplog_level_from_name(const char *name)
{
    int level;
    if (!name || !mpl_level_parse(mpl_str_from(name), &level) || level < 0)
        return -EINVAL;
    return level;
}

/* ---- set-up ---- */

int mplog_setup_logging(const struct mplog_options *options) { return mpl_session_setup(options); }

int mplog_options_set(struct mplog_options *options, const char *name, const char *value)
{
    return mpl_options_set(options, name, value);
}

const char *mplog_last_error(void) { return mpl_error_text(); }

bool mplog_is_logging_setup(void) { return mpl_session_is_setup(); }

/* ---- names ---- */

void mplog_set_process_name(const char *name)
{
    int saved_errno = errno;
    if (mpl_process_lock()) {
        mpl_process_set_name(name ? name : "");
        mpl_nested_prepare();
        mpl_process_unlock();
    }
    errno = saved_errno;
}

void mplog_set_thread_name(const char *name)
{
    struct mpl_str text = mpl_str_from(name);
    mpl_thread.name_len = (uint32_t)mpl_utf8_cut(text, MPL_NAME_MAX);
    memcpy(mpl_thread.name, text.ptr, mpl_thread.name_len);
    mpl_producer_names_changed();
}

/* ---- loggers ---- */

mplog_logger *mplog_get_logger(const char *name)
{
    int saved_errno = errno;
    bool has_lock = mpl_process_lock();
    struct mpl_logger *l = mpl_logger_get(has_lock ? name : NULL);
    if (has_lock)
        mpl_process_unlock();
    errno = saved_errno;
    return &l->public;
}

void mplog_set_level(mplog_logger *logger, int level)
{
    int saved_errno = errno;
    if (mpl_process_lock()) {
        mpl_logger_set_level(mpl_logger_of(logger), level);
        mpl_process_unlock();
    }
    errno = saved_errno;
}

int mplog_set_session_level(const char *name, int level) { return mpl_session_set_level(name ? name : "root", level); }

bool mplog_logger_refresh(mplog_logger *logger, int level)
{
    int saved_errno = errno, state = mpl_os_cancel_disable();
    if (mpl_process_lock()) {
        mpl_logger_settle();
        mpl_logger_refresh(mpl_logger_of(logger));
        mpl_process_unlock();
    }
    mpl_os_cancel_restore(state);
    errno = saved_errno;
    return level >= __atomic_load_n(&logger->level, __ATOMIC_RELAXED);
}

/* ---- logging ---- */

void mplog_log_text(mplog_logger *logger, int level, const char *text, size_t len)
{
    if (mplog_is_enabled_for(logger, level))
        mpl_log_text(logger, level, (struct mpl_str){text, len});
}

void mplog_vlog(mplog_logger *logger, int level, const char *file, int line, const char *function, const char *format,
                va_list arguments)
{
    struct mpl_log_fields fields = {.level = level, .line = line};
    if (!mplog_is_enabled_for(logger, level))
        return;
    fields.path = file ? mpl_str_from(file) : (struct mpl_str){NULL, 0};
    fields.function = function ? mpl_str_from(function) : (struct mpl_str){NULL, 0};
    mpl_log_format(logger, &fields, format, arguments);
}

static struct mpl_str text_or_none(const char *text) { return text ? mpl_str_from(text) : (struct mpl_str){NULL, 0}; }

void mplog_log_record(mplog_logger *logger, const struct mplog_record *record)
{
    struct mplog_record r = MPLOG_RECORD_INIT;
    memcpy(&r, record, record->size < sizeof r ? record->size : sizeof r);
    if (!mplog_is_enabled_for(logger, r.level))
        return;
    struct mpl_log_fields fields = {
        .level = r.level,
        .message = {r.message ? r.message : "", r.message ? r.message_len : 0},
        .level_name = text_or_none(r.level_name),
        .path = text_or_none(r.path),
        .function = text_or_none(r.function),
        .thread_name = text_or_none(r.thread_name),
        .process_name = text_or_none(r.process_name),
        .task_name = text_or_none(r.task_name),
        .exception = text_or_none(r.exception_text),
        .stack = text_or_none(r.stack_text),
        .line = r.line,
        .created_ns = r.created_ns,
        .thread = (int64_t)r.thread,
        .process = r.process,
    };
    mpl_log_fields(logger, &fields);
}

/* As many as a call has arguments. */
static _Thread_local long double long_doubles[MPL_CFORMAT_ARGS_MAX];
static _Thread_local unsigned long_double_count;

uint64_t mplog_word_long_double(long double value)
{
    long double *at = &long_doubles[long_double_count++ % MPL_CFORMAT_ARGS_MAX];
    *at = value;
    return (uint64_t)(uintptr_t)at;
}

/* ---- flush and shutdown ---- */

int mplog_install_crash_handler(void)
{
    if (!mpl_process_lock())
        return mpl_fail(EDEADLK, "crash handler: called from a signal handler inside mplog, or out of memory");
    int error = mpl_crash_install();
    mpl_process_unlock();
    return error;
}

int mplog_flush(int timeout_ms) { return mpl_session_flush(timeout_ms, NULL); }

void mplog_shutdown_logging(void) { mpl_session_shutdown(); }

int mplog_collect_main(int argc, char **argv) { return mpl_helper_main(argc, argv); }

int mplog_recover(const char *ring_dir, bool is_dry_run, void (*tell_fn)(void *arg, const struct mplog_recovery *what),
                  void *arg)
{
    return mpl_recover_all(ring_dir, is_dry_run, tell_fn, arg);
}

int mplog_report_sessions(const char *ring_dir, const char *log_file,
                          void (*tell_fn)(void *arg, const struct mplog_session_report *report), void *arg)
{
    return mpl_report_all(ring_dir, log_file, tell_fn, arg);
}
