/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging. A process has one logger. By default it writes to stderr; a child of the supervisor
 * sends its records up its control channel instead (ipc/control.h sets the sink), and the
 * supervisor, which knows which child spoke, adds role and account and is the only writer. Never
 * log a secret. All calls are made by the thread of the loop.
 *
 * Text is logfmt: time=... level=info role=worker account=prod-eu-1 msg="..." key=value. What is
 * not a plain word is quoted and escaped as in JSON, so that no text from outside can forge a line.
 */
#ifndef SA_BASE_LOG_H
#define SA_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>

/* Severity by Armory's names; the value in front of a line on journald is by sd-daemon(3). */
enum sa_level { SA_FATAL, SA_ERROR, SA_WARN, SA_INFO, SA_DEBUG, SA_TRACE };

/* One field of a structured record; both strings are borrowed for the call. */
struct sa_field {
    const char *key, *value;
};

struct sa_record {
    enum sa_level level;
    const char *role;    /* "supervisor", "worker", ...; may be NULL */
    const char *account; /* NULL where none */
    const char *msg;
    const struct sa_field *fields; /* n_fields of them */
    size_t n_fields;
};

/* Takes one record; everything in it is borrowed for the call. */
typedef void sa_log_sink(void *arg, const struct sa_record *rec);

struct sa_log_options {
    bool json;        /* one JSON object a line instead of text */
    bool local_time;  /* else UTC */
    bool journald;    /* prefix "<N>" of sd-daemon(3) on stderr lines */
    bool multi;       /* with file: stderr as well */
    const char *file; /* NULL: stderr only */
    size_t max_size;  /* bytes after which the file is rotated, 0 never */
    unsigned max_backups, max_age_days;
    bool compress;                 /* rotated files, as gzip(1) does */
    const struct sa_field *fields; /* added to each record; copied */
    size_t n_fields;
};

int sa_log_level_parse(const char *name, enum sa_level *out); /* 0, or -1 if unknown */
const char *sa_log_level_name(enum sa_level level);

struct sa_err;
int sa_log_configure(const struct sa_log_options *opt, struct sa_err **err);
int sa_log_reopen(struct sa_err **err); /* after an outside rotation */
void sa_log_set_level(enum sa_level level);
enum sa_level sa_log_get_level(void);
void sa_log_set_identity(const char *role, const char *account); /* copied */
void sa_log_set_sink(sa_log_sink *sink, void *arg); /* NULL: back to the writer of this process */
void sa_log_write(const struct sa_record *rec);     /* to this process's own writer */

void sa_log(enum sa_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* With fields: sa_logf(SA_WARN, (struct sa_field[]){{"resource", r}}, 1, "...") */
void sa_logf(enum sa_level level, const struct sa_field *fields, size_t n, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
/* True at most once every interval_s seconds for this *last (a static of the caller, start at 0):
 * keeps a repeated failure from flooding. */
bool sa_log_every(unsigned interval_s, unsigned long long *last);

#endif
