/* SPDX-License-Identifier: Apache-2.0 */
/* tail: the changes of the embedded cache as they are committed. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctl/cache.h"

#define PERIOD_NS 200000000L
#define BACKLOG   10 /* earlier changes that are shown first */

struct follow {
    const struct sa_cli *c;
    sqlite3 *db;
    sqlite3_stmt *next; /* changes after ?1 */
    int64_t last;       /* number of the last change that was seen */
    uint64_t shown;
};

static void print_json(sqlite3_stmt *st, struct sa_buf *out)
{
    static const char *const names[] = {NULL, NULL, "account", "kind", "namespace", "name", "verb"};
    sa_buf_addf(out, "{\"seq\":%lld,\"time_us\":%lld", (long long)sqlite3_column_int64(st, 0),
                (long long)sqlite3_column_int64(st, 1));
    for (int i = 2; i < 7; i++) {
        sa_buf_addf(out, ",\"%s\":", names[i]);
        sa_buf_add_json(out, sa_cache_text(st, i));
    }
    sa_buf_addf(out, ",\"bytes\":%lld}\n", (long long)sqlite3_column_int64(st, 7));
}

static const char *tone_of_verb(const char *verb)
{
    if (strcmp(verb, "added") == 0)
        return "\033[32m";
    return strcmp(verb, "deleted") == 0 ? "\033[31m" : "\033[33m";
}

static void print_line(const struct sa_cli *c, sqlite3_stmt *st, struct sa_buf *out)
{
    int64_t us = sqlite3_column_int64(st, 1);
    time_t seconds = (time_t)(us / 1000000);
    const char *verb = sa_cache_text(st, 6), *namespace = sa_cache_text(st, 4);
    struct tm tm;
    char when[32] = "";
    if (localtime_r(&seconds, &tm) != NULL)
        strftime(when, sizeof when, "%H:%M:%S", &tm);
    sa_buf_addf(out, "%s.%03d  %s%-8s%s  %s  %s %s%s%s", when, (int)(us / 1000 % 1000),
                c->colour ? tone_of_verb(verb) : "", verb, c->colour ? "\033[0m" : "",
                sa_cache_text(st, 2), sa_cache_text(st, 3), namespace,
                namespace[0] == '\0' ? "" : "/", sa_cache_text(st, 5));
    if (sqlite3_column_int64(st, 7) > 0)
        sa_buf_addf(out, "  %lld bytes", (long long)sqlite3_column_int64(st, 7));
    sa_buf_addc(out, '\n');
}

static bool enough(const struct follow *f)
{
    return f->c->count > 0 && f->shown >= f->c->count;
}

/* Prints what came since the last time. */
static int take(struct follow *f, struct sa_err **err)
{
    struct sa_buf out;
    int r = 0;
    sa_buf_init(&out, 0);
    sqlite3_reset(f->next);
    sqlite3_bind_int64(f->next, 1, f->last);
    while (!enough(f) && (r = sa_cache_step(f->db, f->next, err)) == 1) {
        f->last = sqlite3_column_int64(f->next, 0);
        if (f->c->account != NULL && strcmp(sa_cache_text(f->next, 2), f->c->account) != 0)
            continue;
        if (f->c->namespace != NULL && strcmp(sa_cache_text(f->next, 4), f->c->namespace) != 0)
            continue;
        if (f->c->format == SA_FORMAT_JSON)
            print_json(f->next, &out);
        else
            print_line(f->c, f->next, &out);
        f->shown++;
    }
    sqlite3_reset(f->next); /* ends the read, so that the cache can be checkpointed */
    if (sa_put(&out) != SA_EXIT_OK)
        return sa_err_set(err, SA_ESYSTEM, "standard output is gone");
    return r < 0 ? -1 : 0;
}

/* Lowest and highest number there is; 0 and 0 in an empty ring. */
static int bounds(struct follow *f, int64_t *low, int64_t *high, struct sa_err **err)
{
    sqlite3_stmt *st = NULL;
    int r = sa_cache_prepare(f->db, "SELECT min(seq),max(seq) FROM changes", &st, err);
    if (r == 0)
        r = sa_cache_step(f->db, st, err);
    if (r == 1) {
        *low = sqlite3_column_int64(st, 0);
        *high = sqlite3_column_int64(st, 1);
    }
    sqlite3_finalize(st);
    return r == 1 ? 0 : -1;
}

static int follow(struct follow *f, struct sa_err **err)
{
    const struct timespec pause = {0, PERIOD_NS};
    int64_t low, high;
    if (bounds(f, &low, &high, err) != 0)
        return -1;
    f->last = high > BACKLOG ? high - BACKLOG : 0;
    for (;;) {
        if (take(f, err) != 0)
            return -1;
        if (enough(f))
            return 0;
        nanosleep(&pause, NULL);
        if (bounds(f, &low, &high, err) != 0)
            return -1;
        if (low > f->last + 1 && f->last > 0)
            fprintf(stderr,
                    "scale-agentctl: %lld changes were overwritten before they could be shown\n",
                    (long long)(low - f->last - 1));
    }
}

int sa_cmd_tail(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct follow f = {.c = c};
    if (sa_cache_open(c, &f.db, &err) != 0)
        return sa_cli_fail(err);
    int r =
        sa_cache_prepare(f.db,
                         "SELECT seq,time_us,account,kind,namespace,name,verb,bytes FROM changes"
                         " WHERE seq>?1 ORDER BY seq LIMIT 5000",
                         &f.next, &err);
    if (r == 0)
        r = follow(&f, &err);
    sqlite3_finalize(f.next);
    sqlite3_close(f.db);
    return r == 0 ? SA_EXIT_OK : sa_cli_fail(err);
}
