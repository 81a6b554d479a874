/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log_file.h"

#define RECORD_MAX  (64u * 1024u) /* bytes of one line; more is cut */
#define MESSAGE_MAX 8192u

/* X(level, name, priority of sd-daemon(3)) */
#define LEVEL_TABLE(X)                                                                             \
    X(SA_FATAL, "fatal", 2)                                                                        \
    X(SA_ERROR, "error", 3)                                                                        \
    X(SA_WARN, "warn", 4)                                                                          \
    X(SA_INFO, "info", 6)                                                                          \
    X(SA_DEBUG, "debug", 7)                                                                        \
    X(SA_TRACE, "trace", 7)

/* The process's logger: the one object that anything may reach without being handed it. */
static struct {
    enum sa_level level;
    bool json, local_time, journald, multi;
    struct sa_log_file *file;
    pid_t file_owner; /* a child must not write to its parent's file */
    struct sa_field *fields;
    size_t n_fields;
    char *role, *account;
    sa_log_sink *sink;
    void *sink_arg;
    bool busy; /* a sink that logs would never end */
    struct sa_buf line;
} logger = {.level = SA_INFO, .line = {.max = RECORD_MAX}};

int sa_log_level_parse(const char *name, enum sa_level *out)
{
#define X(level, text, priority)                                                                   \
    if (strcasecmp(name, text) == 0) {                                                             \
        *out = level;                                                                              \
        return 0;                                                                                  \
    }
    LEVEL_TABLE(X)
#undef X
    /* The two other names that Armory's users write. */
    if (strcasecmp(name, "warning") == 0) {
        *out = SA_WARN;
        return 0;
    }
    if (strcasecmp(name, "panic") == 0) {
        *out = SA_FATAL;
        return 0;
    }
    return -1;
}

const char *sa_log_level_name(enum sa_level level)
{
    switch (level) {
#define X(sym, text, priority)                                                                     \
    case sym:                                                                                      \
        return text;
        LEVEL_TABLE(X)
#undef X
    }
    return "unknown";
}

static int priority_of(enum sa_level level)
{
    switch (level) {
#define X(sym, text, priority)                                                                     \
    case sym:                                                                                      \
        return priority;
        LEVEL_TABLE(X)
#undef X
    }
    return 3;
}

/* Settings */

static void free_fields(struct sa_field *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free((void *)(uintptr_t)v[i].key);
        free((void *)(uintptr_t)v[i].value);
    }
    free(v);
}

static struct sa_field *copy_fields(const struct sa_field *v, size_t n)
{
    struct sa_field *copy = calloc(n + 1, sizeof(*copy));
    for (size_t i = 0; copy != NULL && i < n; i++) {
        copy[i] = (struct sa_field){strdup(v[i].key), strdup(v[i].value)};
        if (copy[i].key == NULL || copy[i].value == NULL) {
            free_fields(copy, i + 1);
            copy = NULL;
        }
    }
    return copy;
}

int sa_log_configure(const struct sa_log_options *opt, struct sa_err **err)
{
    struct sa_log_file *file = NULL;
    if (opt->file != NULL) {
        struct sa_log_file_options fo = {
            .path = opt->file,
            .max_size = opt->max_size,
            .max_backups = opt->max_backups,
            .max_age_days = opt->max_age_days,
            .compress = opt->compress,
        };
        file = sa_log_file_open(&fo, err);
        if (file == NULL) {
            return -1;
        }
    }
    struct sa_field *fields = copy_fields(opt->fields, opt->n_fields);
    if (fields == NULL) {
        sa_log_file_close(file);
        return sa_err_set(err, SA_EMEMORY, "fields of log records");
    }
    sa_log_file_close(logger.file);
    free_fields(logger.fields, logger.n_fields);
    logger.json = opt->json;
    logger.local_time = opt->local_time;
    logger.journald = opt->journald;
    logger.multi = opt->multi;
    logger.file = file;
    logger.file_owner = getpid();
    logger.fields = fields;
    logger.n_fields = opt->n_fields;
    return 0;
}

int sa_log_reopen(struct sa_err **err)
{
    return logger.file != NULL ? sa_log_file_reopen(logger.file, err) : 0;
}

void sa_log_set_level(enum sa_level level)
{
    logger.level = level;
}

enum sa_level sa_log_get_level(void)
{
    return logger.level;
}

void sa_log_set_identity(const char *role, const char *account)
{
    free(logger.role);
    free(logger.account);
    logger.role = role != NULL ? strdup(role) : NULL;
    logger.account = account != NULL ? strdup(account) : NULL;
}

void sa_log_set_sink(sa_log_sink *sink, void *arg)
{
    logger.sink = sink;
    logger.sink_arg = arg;
}

/* Lines */

static void add_time(struct sa_buf *b)
{
    struct tm tm = {0};
    char text[64];
    int64_t us = sa_real_us();
    time_t s = (time_t)(us / 1000000);
    if (logger.local_time) {
        localtime_r(&s, &tm);
    } else {
        gmtime_r(&s, &tm);
    }
    strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
    sa_buf_addf(b, "%s.%03d", text, (int)(us / 1000 % 1000));
    if (!logger.local_time) {
        sa_buf_addc(b, 'Z');
        return;
    }
    long off = tm.tm_gmtoff / 60;
    sa_buf_addf(b, "%c%02ld:%02ld", off < 0 ? '-' : '+', labs(off) / 60, labs(off) % 60);
}

static bool plain(const char *s)
{
    static const char marks[] = "-._/@:^+,*";
    if (*s == '\0') {
        return false;
    }
    for (; *s != '\0'; s++) {
        bool letter = (*s >= 'a' && *s <= 'z') || (*s >= 'A' && *s <= 'Z');
        if (!letter && !(*s >= '0' && *s <= '9') && strchr(marks, *s) == NULL) {
            return false;
        }
    }
    return true;
}

/* One "key=value"; quoted as JSON quotes unless it is a plain word, so that no value can look like
 * a further key or line, or reach a terminal as a control sequence. */
static void add_pair(struct sa_buf *b, const char *key, const char *value)
{
    size_t before = b->len;
    if (logger.json) {
        if (b->data[b->len - 1] != '{') {
            sa_buf_addc(b, ',');
        }
        sa_buf_add_json(b, key);
        sa_buf_addc(b, ':');
        sa_buf_add_json(b, value);
    } else {
        for (const char *k = key; *k != '\0'; k++) {
            char one[2] = {*k, '\0'};
            sa_buf_addc(b, plain(one) ? *k : '_');
        }
        sa_buf_addc(b, '=');
        if (plain(value)) {
            sa_buf_adds(b, value);
        } else {
            sa_buf_add_json(b, value);
        }
        sa_buf_addc(b, ' ');
    }
    /* The bound was met, less what ends the line: leave the whole pair out. */
    if (b->failed || b->len > RECORD_MAX - 4) {
        b->failed = false;
        b->len = before;
        b->data[before] = '\0';
    }
}

static void add_fields(struct sa_buf *b, const struct sa_field *v, size_t n)
{
    static const char *const own[] = {"time", "level", "role", "account", "msg"};
    for (size_t i = 0; i < n; i++) {
        char key[128];
        bool taken = false;
        for (size_t k = 0; k < sizeof(own) / sizeof(own[0]); k++) {
            taken = taken || strcmp(v[i].key, own[k]) == 0;
        }
        snprintf(key, sizeof(key), "%s%s", taken ? "fields." : "", v[i].key);
        add_pair(b, key, v[i].value);
    }
}

static void format(struct sa_buf *b, const struct sa_record *rec)
{
    char when[64];
    struct sa_buf t = {0};
    add_time(&t);
    snprintf(when, sizeof(when), "%s", t.data != NULL ? t.data : "");
    sa_buf_free(&t);
    sa_buf_adds(b, logger.json ? "{" : "");
    add_pair(b, "time", when);
    add_pair(b, "level", sa_log_level_name(rec->level));
    if (rec->role != NULL) {
        add_pair(b, "role", rec->role);
    }
    if (rec->account != NULL) {
        add_pair(b, "account", rec->account);
    }
    add_pair(b, "msg", rec->msg);
    add_fields(b, logger.fields, logger.n_fields);
    add_fields(b, rec->fields, rec->n_fields);
    if (logger.json) {
        sa_buf_addc(b, '}');
    } else {
        b->data[--b->len] = '\0'; /* the last blank */
    }
    sa_buf_addc(b, '\n');
}

static void write_stderr(const struct sa_buf *b, int priority)
{
    char prefix[8] = "";
    if (logger.journald) {
        snprintf(prefix, sizeof(prefix), "<%d>", priority);
    }
    /* One call for the line: other processes write to the same place. */
    dprintf(STDERR_FILENO, "%s%s", prefix, b->data);
}

void sa_log_write(const struct sa_record *rec)
{
    struct sa_buf *b = &logger.line;
    sa_buf_reset(b);
    /* With the least that a line needs at hand, nothing below can fail for lack of memory half-way.
     */
    if (sa_buf_reserve(b, 1024) != 0) {
        return;
    }
    format(b, rec);
    bool to_file = logger.file != NULL && logger.file_owner == getpid();
    bool written = to_file && sa_log_file_write(logger.file, b->data, b->len) == 0;
    if (!written || logger.multi) {
        write_stderr(b, priority_of(rec->level));
    }
    sa_buf_trim(b, 4096);
}

static void emit(enum sa_level level, const struct sa_field *fields, size_t n, const char *fmt,
                 va_list ap) __attribute__((format(printf, 4, 0)));

static void emit(enum sa_level level, const struct sa_field *fields, size_t n, const char *fmt,
                 va_list ap)
{
    char msg[MESSAGE_MAX];
    if (level > logger.level || logger.busy) {
        return;
    }
    int saved = errno;
    vsnprintf(msg, sizeof(msg), fmt, ap);
    struct sa_record rec = {
        .level = level,
        .role = logger.role,
        .account = logger.account,
        .msg = msg,
        .fields = fields,
        .n_fields = n,
    };
    logger.busy = true;
    if (logger.sink != NULL) {
        logger.sink(logger.sink_arg, &rec);
    } else {
        sa_log_write(&rec);
    }
    logger.busy = false;
    errno = saved;
}

void sa_log(enum sa_level level, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(level, NULL, 0, fmt, ap);
    va_end(ap);
}

void sa_logf(enum sa_level level, const struct sa_field *fields, size_t n, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    emit(level, fields, n, fmt, ap);
    va_end(ap);
}

bool sa_log_every(unsigned interval_s, unsigned long long *last)
{
    unsigned long long now = sa_mono_ns();
    if (*last != 0 && now - *last < interval_s * SA_NS_PER_S) {
        return false;
    }
    *last = now;
    return true;
}
