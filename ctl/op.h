/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op: operations by hand, with kubectl's words. In the order in which a command goes through them:
 *
 *   op_options   the words and options of the command line
 *   op_manifest  the objects of its files
 *   op_requests  what is to be asked: one Operation for each object or name
 *   op_channel   the way to the account's worker
 *   op_print     what came of it
 *   op           all of it, one request after the other
 */
#ifndef SA_CTL_OP_H
#define SA_CTL_OP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "ctl/cli.h"
#include "proto/scale_agent.pb-c.h"

#define SA_CLI_FILES 32u

/* X(symbol, name) */
#define SA_CLI_TABLE(X)                                                                            \
    X(SA_CLI_GET, "get")                                                                           \
    X(SA_CLI_EVENTS, "events")                                                                     \
    X(SA_CLI_APPLY, "apply")                                                                       \
    X(SA_CLI_CREATE, "create")                                                                     \
    X(SA_CLI_REPLACE, "replace")                                                                   \
    X(SA_CLI_PATCH, "patch")                                                                       \
    X(SA_CLI_DELETE, "delete")                                                                     \
    X(SA_CLI_SCALE, "scale")                                                                       \
    X(SA_CLI_ROLLOUT, "rollout")                                                                   \
    X(SA_CLI_LOGS, "logs")                                                                         \
    X(SA_CLI_TOP, "top")
enum sa_cli_verb {
#define X(sym, name) sym,
    SA_CLI_TABLE(X)
#undef X
        SA_CLI_VERBS
};

/* The command line as it was read. Strings point into it. */
struct sa_cli_op {
    const char *account;
    enum sa_cli_verb verb;
    char words[32]; /* "apply", "rollout undo" */
    Scaleagent__V1__RolloutOperation__Verb rollout;
    char *const *args; /* behind the verb's own words */
    int n_args;
    enum sa_format format;
    uint32_t timeout_ms;
    const char *namespace; /* NULL: not given */
    bool all_namespaces;
    const char *selector; /* "" none */
    const char *files[SA_CLI_FILES];
    size_t n_files;
    /* apply */
    bool server_side, force_conflicts;
    const char *field_manager; /* "" */
    /* patch */
    Scaleagent__V1__PatchOperation__Type patch_type;
    const char *patch, *patch_file; /* one of them, else NULL */
    bool record;
    /* delete */
    Scaleagent__V1__DeleteOperation__Cascade cascade;
    bool force, now, wait, ignore_not_found;
    int64_t grace_seconds; /* -1: the object's own */
    /* scale, rollout undo */
    int64_t replicas; /* -1: not given */
    int64_t revision;
    /* logs */
    const char *container; /* "" */
    bool all_containers, previous;
    int64_t since_seconds, tail_lines; /* tail -1: all */
    int64_t limit_bytes;
    /* top: always so, as kubectl's users write it */
    bool containers;
};

/* Reads ACCOUNT OPERATION ... of argv[0, argc); argv is reordered. -1 with SA_EREFUSED and what is
 * wrong with it. 1: help was asked for, and is printed. */
int sa_cli_op_options(int argc, char **argv, struct sa_cli_op *op, struct sa_err **err);
void sa_cli_op_help(void);

/* The objects of YAML or JSON files, of several documents or Lists of objects too. */
struct sa_manifests {
    struct sa_manifest {
        cJSON *object;
        char *json; /* as it is sent */
    } * v;
    size_t n;
};
/* Appends those of a file, "-" being standard input. */
int sa_manifests_read(struct sa_manifests *m, const char *file, struct sa_err **err);
/* The same of what was read; name is for messages. */
int sa_manifests_add(struct sa_manifests *m, const char *name, const char *text, size_t n,
                     struct sa_err **err);
/* Puts the namespace into those that have none; -1 for one that has another. */
int sa_manifests_namespace(struct sa_manifests *m, const char *namespace, struct sa_err **err);
void sa_manifests_free(struct sa_manifests *m);
/* A patch, YAML or JSON, as JSON that is the caller's. NULL with *err. */
char *sa_patch_json(const char *name, const char *text, size_t n, struct sa_err **err);
/* All of a file, "-" being standard input. */
int sa_cli_read_file(const char *file, struct sa_buf *b, struct sa_err **err);

/* Operations, packed, in the order of the command line. */
struct sa_cli_op_requests {
    struct sa_cli_op_request {
        uint8_t id[16];
        uint8_t *packed;
        size_t n;
    } * v;
    size_t n;
};
int sa_cli_op_requests(const struct sa_cli_op *op, const struct sa_manifests *m,
                       struct sa_cli_op_requests *out, struct sa_err **err);
void sa_cli_op_requests_free(struct sa_cli_op_requests *r);

/* A conversation with the worker. */
struct sa_cli_op_channel;
struct sa_cli_op_channel *sa_cli_op_channel_open(const char *socket, const char *account,
                                                 struct sa_err **err);
void sa_cli_op_channel_free(struct sa_cli_op_channel *c);
/* Asks, and gives each part of the result to on_part until the last one. -1 if the worker did not
 * come to that within timeout_ms, or on_part answered -1 (with *err). */
typedef int sa_cli_op_part(void *arg, const Scaleagent__V1__OperationResult *part,
                           struct sa_err **err);
int sa_cli_op_channel_ask(struct sa_cli_op_channel *c, const struct sa_cli_op_request *r,
                          uint64_t timeout_ms, sa_cli_op_part *on_part, void *arg,
                          struct sa_err **err);

/* What came of the requests, as it is printed. */
struct sa_cli_op_print {
    const struct sa_cli_op *op;
    bool colour;
    struct sa_buf body; /* of the result under way */
    cJSON *objects;     /* of all of get's results, an array */
    bool single;        /* one object was asked for by its name */
    bool failed;
};
int sa_cli_op_print_init(struct sa_cli_op_print *p, const struct sa_cli_op *op, size_t requests,
                         bool colour);
int sa_cli_op_print_part(void *arg, const Scaleagent__V1__OperationResult *part,
                         struct sa_err **err);
/* After the last result: prints what was kept for it, and frees. An exit code. */
int sa_cli_op_print_end(struct sa_cli_op_print *p);

/* The command: argv behind "op"; an exit code. */
int sa_cmd_op(const struct sa_cli *c, int argc, char **argv);

#endif
