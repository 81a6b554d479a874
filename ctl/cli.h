/* SPDX-License-Identifier: Apache-2.0 */
/*
 * scale-agentctl: a client of the control socket (the protocol: supervisor/control.h) and a reader
 * of the embedded cache. A file a group of commands; each command is a function that returns an
 * exit code.
 */
#ifndef SA_CTL_CLI_H
#define SA_CTL_CLI_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

/* Exit codes, documented in scale-agentctl(1). */
enum sa_exit {
    SA_EXIT_OK = 0,
    SA_EXIT_NO = 1,          /* it did not work, or the thing is not there */
    SA_EXIT_USAGE = 2,       /* the command line is wrong */
    SA_EXIT_UNREACHABLE = 3, /* no daemon answers on the socket */
    SA_EXIT_DEGRADED = 4,    /* status: an account or the configuration needs attention; doctor:
                                warnings */
};

enum sa_format { SA_FORMAT_TABLE, SA_FORMAT_WIDE, SA_FORMAT_JSON, SA_FORMAT_YAML, SA_FORMAT_NAME };

struct sa_cli {
    const char *socket;    /* path */
    const char *database;  /* path of the cache, NULL: where the daemon has it */
    const char *account;   /* --account, or NULL */
    const char *namespace; /* -n of get, or NULL */
    uint64_t count;        /* -n of top and tail, 0: without end */
    enum sa_format format;
    bool colour;
    char *const *args; /* after the command */
    int n_args;
};

/* client.c */

/* One request. Every line of the answer is a JSON value; they are returned in an array that the
 * caller frees. On failure the error says in plain words what to do; its code is SA_ENETWORK if no
 * daemon could be reached, else the daemon's own. */
int sa_cli_ask(const char *socket, const char *request, cJSON **answer, struct sa_err **err);
/* The same; *answer holds with an error, too, what came before it, and is always the caller's. */
int sa_cli_ask_all(const char *socket, const char *request, cJSON **answer, struct sa_err **err);
/* A channel to the account's worker (ipc/operate.h), the caller's; -1 with *err. */
int sa_cli_operate(const char *socket, const char *account, struct sa_err **err);
/* Prints the error of sa_cli_ask (or another) to standard error. Returns the exit code for it. */
int sa_cli_fail(struct sa_err *err);
/* Asks for the status: the one object of its answer, owned by the caller. */
int sa_cli_status_of(const char *socket, cJSON **status, struct sa_err **err);

/* json.c: what members hold; "" and 0 where they are absent or of another type. */
const char *sa_cli_string(const cJSON *o, const char *name);
double sa_cli_num(const cJSON *o, const char *name);
bool sa_cli_true(const cJSON *o, const char *name);
/* Whether -o asks for JSON or YAML. */
bool sa_cli_data(const struct sa_cli *c);
/* To standard output, as YAML or else as indented JSON; an exit code. */
int sa_cli_print(const struct sa_cli *c, const cJSON *v);
/* Writes and empties JSON as it is, or as YAML; an exit code. */
int sa_cli_put(const struct sa_cli *c, struct sa_buf *json);

/* output.c */

enum sa_tone { SA_TONE_PLAIN, SA_TONE_GOOD, SA_TONE_WARN, SA_TONE_BAD, SA_TONE_DIM };

/* A table: cells are copied and rid of control characters, columns get the width of their longest
 * cell, the last is not padded. */
struct sa_grid {
    const char *const *heads;
    size_t columns;
    char **cells; /* rows * columns */
    enum sa_tone *tones;
    size_t n, cap;
    bool failed;
};
void sa_grid_init(struct sa_grid *t, const char *const *heads, size_t columns);
void sa_grid_cell(struct sa_grid *t, enum sa_tone tone, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sa_grid_print(const struct sa_grid *t, bool colour, struct sa_buf *out);
void sa_grid_free(struct sa_grid *t);

/* "95s", "12m", "3h", "4d" */
void sa_format_age(double seconds, char *out, size_t n);
/* "0.8ms", "12ms", "3.4s" of microseconds */
void sa_format_lag(double us, char *out, size_t n);
/* "812", "12.3k", "4.5M" */
void sa_format_count(double v, char *out, size_t n);
/* Writes and empties b; an exit code. */
int sa_put(struct sa_buf *b);

/* The commands, by file. */
int sa_cmd_status(const struct sa_cli *c); /* status.c */
int sa_cmd_accounts(const struct sa_cli *c);
int sa_cmd_top(const struct sa_cli *c);    /* top.c */
int sa_cmd_get(const struct sa_cli *c);    /* get.c */
int sa_cmd_tail(const struct sa_cli *c);   /* tail.c */
int sa_cmd_reload(const struct sa_cli *c); /* control.c */
int sa_cmd_restart(const struct sa_cli *c);
int sa_cmd_pause(const struct sa_cli *c);
int sa_cmd_resume(const struct sa_cli *c);
int sa_cmd_log_level(const struct sa_cli *c);
int sa_cmd_check(const struct sa_cli *c);        /* check.c */
int sa_cmd_migrate(const struct sa_cli *c);      /* migrate.c */
int sa_cmd_config(const struct sa_cli *c);       /* config.c */
int sa_cmd_discover(const struct sa_cli *c);     /* discover.c */
int sa_cmd_seal(int argc, char **argv);          /* seal.c; argv[0] is the command */
int sa_cmd_plan(const struct sa_cli *c);         /* plan.c: discover with --account */
int sa_cmd_doctor(const struct sa_cli *c);       /* doctor.c */
int sa_cmd_support_dump(const struct sa_cli *c); /* support.c */

/* status.c, for top: the table of accounts of a status, and what its states come to. Rates are
 * since before, seconds ago; 0: none. */
void sa_status_table(const cJSON *status, const cJSON *before, double seconds, bool wide,
                     bool colour, struct sa_buf *out);
void sa_status_head(const cJSON *status, bool colour, struct sa_buf *out);
bool sa_status_degraded(const cJSON *status);

#endif
