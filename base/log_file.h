/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A log file: appended to, rotated by size, old ones removed by number and age and compressed, as
 * lumberjack does: FILE.log becomes FILE-2006-01-02T15-04-05.000.log, then FILE-....log.gz. For
 * log.c.
 */
#ifndef SA_BASE_LOG_FILE_H
#define SA_BASE_LOG_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sa_err;
struct sa_log_file;

struct sa_log_file_options {
    const char *path;                   /* copied */
    uint64_t max_size;                  /* bytes, 0: never rotated */
    unsigned max_backups, max_age_days; /* 0: all are kept */
    bool compress;
};

struct sa_log_file *sa_log_file_open(const struct sa_log_file_options *opt, struct sa_err **err);
void sa_log_file_close(
    struct sa_log_file *f); /* finishes a compression under way; NULL is allowed */
/* One whole line. -1 with errno when it can't be written; the caller then has stderr. */
int sa_log_file_write(struct sa_log_file *f, const void *line, size_t n);
int sa_log_file_reopen(struct sa_log_file *f, struct sa_err **err);

#endif
