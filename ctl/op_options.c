/* SPDX-License-Identifier: Apache-2.0 */
/* op: the command line. One table says which option belongs to which verbs and where its value
 * goes.
 */
#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/op.h"

#define TIMEOUT_MS     60000u
#define TIMEOUT_MAX_MS (24u * 3600u * 1000u)

#define BIT(verb) (1u << (verb))
#define GET       BIT(SA_CLI_GET)
#define EVENTS    BIT(SA_CLI_EVENTS)
#define APPLY     BIT(SA_CLI_APPLY)
#define CREATE    BIT(SA_CLI_CREATE)
#define REPLACE   BIT(SA_CLI_REPLACE)
#define PATCH     BIT(SA_CLI_PATCH)
#define DELETE    BIT(SA_CLI_DELETE)
#define SCALE     BIT(SA_CLI_SCALE)
#define ROLLOUT   BIT(SA_CLI_ROLLOUT)
#define LOGS      BIT(SA_CLI_LOGS)
#define TOP       BIT(SA_CLI_TOP)
#define EVERY     (BIT(SA_CLI_VERBS) - 1)

static const char *const verb_names[] = {
#define X(sym, name) [sym] = (name),
    SA_CLI_TABLE(X)
#undef X
};

static int wrong_value(struct sa_err **err, const char *option, const char *wanted)
{
    return sa_err_set(err, SA_EREFUSED, "--%s takes %s, not %s", option, wanted, optarg);
}

static int take_switch(const char *option, bool *out, struct sa_err **err)
{
    *out = optarg == NULL || strcmp(optarg, "true") == 0;
    return *out || strcmp(optarg, "false") == 0 ? 0 : wrong_value(err, option, "true or false");
}

static int take_number(const char *option, int64_t least, int64_t most, int64_t *out,
                       struct sa_err **err)
{
    char *end;
    errno = 0;
    long long v = strtoll(optarg, &end, 10);
    if (end == optarg || *end != '\0' || errno != 0 || v < least || v > most) {
        char wanted[96];
        snprintf(wanted, sizeof wanted, "a number from %lld to %lld", (long long)least,
                 (long long)most);
        return wrong_value(err, option, wanted);
    }
    *out = v;
    return 0;
}

/* "90s", "1h30m", "500ms", or a number of seconds; in milliseconds. */
static int parse_duration(const char *s, uint64_t *out)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}};
    double sum = 0;
    if (*s == '\0')
        return -1;
    while (*s != '\0') {
        char *end;
        size_t u = 0;
        if (*s < '0' || *s > '9')
            return -1;
        double v = strtod(s, &end);
        size_t n = strspn(end, "hms");
        while (u < sizeof units / sizeof units[0] &&
               (strlen(units[u].unit) != n || strncmp(units[u].unit, end, n) != 0))
            u++;
        if (n > 0 && u == sizeof units / sizeof units[0])
            return -1;
        sum += v * (n > 0 ? units[u].ms : 1e3);
        s = end + n;
    }
    if (sum > 1e15)
        return -1;
    *out = (uint64_t)sum;
    return 0;
}

static int take_timeout(struct sa_cli_op *op, struct sa_err **err)
{
    uint64_t ms;
    if (parse_duration(optarg, &ms) != 0 || ms == 0 || ms > TIMEOUT_MAX_MS)
        return wrong_value(err, "timeout", "a time like 90s or 5m, at most a day");
    op->timeout_ms = (uint32_t)ms;
    return 0;
}

static int take_since(struct sa_cli_op *op, struct sa_err **err)
{
    uint64_t ms;
    if (parse_duration(optarg, &ms) != 0)
        return wrong_value(err, "since", "a time like 90s or 5m");
    op->since_seconds = (int64_t)((ms + 500) / 1000); /* as kubectl rounds it */
    return 0;
}

/* The place of optarg in a list of words; -1 if it is none of them. */
static int word_of(const char *const *words)
{
    for (int i = 0; words[i] != NULL; i++) {
        if (strcmp(words[i], optarg) == 0)
            return i;
    }
    return -1;
}

static int take_format(struct sa_cli_op *op, struct sa_err **err)
{
    static const char *const words[] = {"table", "wide", "json", "yaml", "name", NULL};
    int i = word_of(words);
    bool get = op->verb == SA_CLI_GET;
    if (i < 0 || (!get && i < SA_FORMAT_JSON))
        return wrong_value(err, "output",
                           get ? "table, wide, json, yaml or name" : "json, yaml or name");
    op->format = (enum sa_format)i;
    return 0;
}

static int take_patch_type(struct sa_cli_op *op, struct sa_err **err)
{
    static const char *const words[] = {"strategic", "merge", "json", NULL};
    int i = word_of(words);
    if (i < 0)
        return wrong_value(err, "type", "strategic, merge or json");
    op->patch_type =
        (Scaleagent__V1__PatchOperation__Type)((int)
                                                   SCALEAGENT__V1__PATCH_OPERATION__TYPE__STRATEGIC +
                                               i);
    return 0;
}

static int take_cascade(struct sa_cli_op *op, struct sa_err **err)
{
    static const char *const words[] = {"background", "foreground", "orphan", NULL};
    int i = word_of(words);
    if (i < 0)
        return wrong_value(err, "cascade", "background, foreground or orphan");
    op->cascade =
        (Scaleagent__V1__DeleteOperation__Cascade)((int)
                                                       SCALEAGENT__V1__DELETE_OPERATION__CASCADE__BACKGROUND +
                                                   i);
    return 0;
}

static int take_file(struct sa_cli_op *op, struct sa_err **err)
{
    if (op->n_files == SA_CLI_FILES)
        return sa_err_set(err, SA_EREFUSED, "at most %u files at a time", SA_CLI_FILES);
    op->files[op->n_files++] = optarg;
    return 0;
}

enum kind { TEXT, SWITCH, NUMBER, SPECIAL };

/* Which option of the verb it is, and what to do with optarg. */
static const struct known {
    const char *name;
    char letter; /* 0: none. -p is patch's text and logs' previous. */
    unsigned verbs;
    enum kind kind;
    size_t at; /* where in struct sa_cli_op; not SPECIAL */
    int64_t least, most;
    int (*take)(struct sa_cli_op *op, struct sa_err **err); /* SPECIAL */
} known[] = {
    {"namespace", 'n', EVERY, TEXT, offsetof(struct sa_cli_op, namespace), 0, 0, NULL},
    {"all-namespaces", 'A', GET | TOP, SWITCH, offsetof(struct sa_cli_op, all_namespaces), 0, 0,
     NULL},
    {"selector", 'l', GET | APPLY | CREATE | DELETE | TOP, TEXT,
     offsetof(struct sa_cli_op, selector), 0, 0, NULL},
    {"filename", 'f', APPLY | CREATE | REPLACE | DELETE, SPECIAL, 0, 0, 0, take_file},
    {"output", 'o', EVERY & ~(LOGS | EVENTS | TOP), SPECIAL, 0, 0, 0, take_format},
    {"timeout", 0, EVERY, SPECIAL, 0, 0, 0, take_timeout},
    {"server-side", 0, APPLY, SWITCH, offsetof(struct sa_cli_op, server_side), 0, 0, NULL},
    {"force-conflicts", 0, APPLY, SWITCH, offsetof(struct sa_cli_op, force_conflicts), 0, 0, NULL},
    {"field-manager", 0, APPLY, TEXT, offsetof(struct sa_cli_op, field_manager), 0, 0, NULL},
    {"patch", 'p', PATCH, TEXT, offsetof(struct sa_cli_op, patch), 0, 0, NULL},
    {"patch-file", 0, PATCH, TEXT, offsetof(struct sa_cli_op, patch_file), 0, 0, NULL},
    {"type", 0, PATCH, SPECIAL, 0, 0, 0, take_patch_type},
    {"record", 0, PATCH, SWITCH, offsetof(struct sa_cli_op, record), 0, 0, NULL},
    {"cascade", 0, DELETE, SPECIAL, 0, 0, 0, take_cascade},
    {"grace-period", 0, DELETE, NUMBER, offsetof(struct sa_cli_op, grace_seconds), -1, INT32_MAX,
     NULL},
    {"force", 0, DELETE, SWITCH, offsetof(struct sa_cli_op, force), 0, 0, NULL},
    {"now", 0, DELETE, SWITCH, offsetof(struct sa_cli_op, now), 0, 0, NULL},
    {"wait", 0, DELETE, SWITCH, offsetof(struct sa_cli_op, wait), 0, 0, NULL},
    {"ignore-not-found", 0, DELETE | GET, SWITCH, offsetof(struct sa_cli_op, ignore_not_found), 0,
     0, NULL},
    {"replicas", 0, SCALE, NUMBER, offsetof(struct sa_cli_op, replicas), 0, INT32_MAX, NULL},
    {"to-revision", 0, ROLLOUT, NUMBER, offsetof(struct sa_cli_op, revision), INT64_MIN, INT64_MAX,
     NULL},
    {"container", 'c', LOGS, TEXT, offsetof(struct sa_cli_op, container), 0, 0, NULL},
    {"all-containers", 0, LOGS, SWITCH, offsetof(struct sa_cli_op, all_containers), 0, 0, NULL},
    {"previous", 'p', LOGS, SWITCH, offsetof(struct sa_cli_op, previous), 0, 0, NULL},
    {"since", 0, LOGS, SPECIAL, 0, 0, 0, take_since},
    {"tail", 0, LOGS, NUMBER, offsetof(struct sa_cli_op, tail_lines), -1, INT64_MAX, NULL},
    {"limit-bytes", 0, LOGS, NUMBER, offsetof(struct sa_cli_op, limit_bytes), 1, INT64_MAX, NULL},
    {"containers", 0, TOP, SWITCH, offsetof(struct sa_cli_op, containers), 0, 0, NULL},
};
#define KNOWN   (sizeof known / sizeof known[0])
#define UNNAMED 256 /* getopt's value of an option without a letter: this and its place */

static int value_of(size_t i)
{
    return known[i].letter != 0 ? known[i].letter : UNNAMED + (int)i;
}

/* kubectl takes --switch, --switch=true and --switch=false. */
static int take(struct sa_cli_op *op, const struct known *k, struct sa_err **err)
{
    char *to = (char *)op + k->at;
    switch (k->kind) {
    case TEXT:
        memcpy(to, &optarg, sizeof optarg);
        return 0;
    case SWITCH:
        return take_switch(k->name, (bool *)to, err);
    case NUMBER: {
        int64_t v = 0;
        if (take_number(k->name, k->least, k->most, &v, err) != 0)
            return -1;
        memcpy(to, &v, sizeof v);
        return 0;
    }
    default:
        return k->take(op, err);
    }
}

/* What getopt found; NULL if the verb has none such. */
static const struct known *find_known(const struct sa_cli_op *op, int value)
{
    for (size_t i = 0; i < KNOWN; i++) {
        if (value_of(i) == value && (known[i].verbs & BIT(op->verb)) != 0)
            return &known[i];
    }
    return NULL;
}

/* Options may stand between the words, which go to the end of argv in their order. Returns as
 * sa_cli_op_options() does. */
static int read_options(int argc, char **argv, struct sa_cli_op *op, struct sa_err **err)
{
    struct option longs[KNOWN + 2] = {{"help", no_argument, NULL, 'h'}};
    char shorts[3 * KNOWN + 2] = "h";
    size_t n = 1, n_shorts = 1;
    for (size_t i = 0; i < KNOWN; i++) {
        bool perhaps = known[i].kind == SWITCH;
        if ((known[i].verbs & BIT(op->verb)) == 0)
            continue;
        longs[n++] = (struct option){known[i].name, perhaps ? optional_argument : required_argument,
                                     NULL, value_of(i)};
        if (known[i].letter != 0)
            shorts[n_shorts++] = known[i].letter;
        if (known[i].letter != 0 && !perhaps)
            shorts[n_shorts++] = ':';
    }
    optind = 0; /* from the beginning */
    opterr = 0;
    for (int value; (value = getopt_long(argc, argv, shorts, longs, NULL)) >= 0;) {
        const struct known *k = find_known(op, value);
        if (value == 'h')
            return 1;
        if (k == NULL)
            return sa_err_set(err, SA_EREFUSED, "%s: not an option of %s, or its value is missing",
                              argv[optind - 1], verb_names[op->verb]);
        if (take(op, k, err) != 0)
            return -1;
    }
    op->args = argv + optind;
    op->n_args = argc - optind;
    return 0;
}

/* rollout and top have a word of their own. */
static int read_second_word(struct sa_cli_op *op, struct sa_err **err)
{
    static const char *const rollouts[] = {"history", "undo", "pause", "resume", "restart"};
    const char *word = op->n_args > 0 ? op->args[0] : "";
    snprintf(op->words, sizeof op->words, "%s", verb_names[op->verb]);
    if (op->verb == SA_CLI_ROLLOUT) {
        for (size_t i = 0; i < sizeof rollouts / sizeof rollouts[0]; i++) {
            if (strcmp(rollouts[i], word) == 0)
                op->rollout =
                    (Scaleagent__V1__RolloutOperation__Verb)((int)
                                                                 SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__HISTORY +
                                                             (int)i);
        }
        if (op->rollout == SCALEAGENT__V1__ROLLOUT_OPERATION__VERB__UNSPECIFIED)
            return sa_err_set(err, SA_EREFUSED,
                              "rollout takes history, undo, pause, resume or restart");
    } else if (op->verb == SA_CLI_TOP) {
        if (strcmp(word, "pod") != 0 && strcmp(word, "pods") != 0 && strcmp(word, "po") != 0)
            return sa_err_set(err, SA_EREFUSED, "top takes pod");
    } else {
        return 0;
    }
    snprintf(op->words, sizeof op->words, "%s %s", verb_names[op->verb], word);
    op->args++;
    op->n_args--;
    return 0;
}

/* What an operation can't do without. */
static int check(const struct sa_cli_op *op, struct sa_err **err)
{
    if (op->verb == SA_CLI_SCALE && op->replicas < 0)
        return sa_err_set(err, SA_EREFUSED, "required flag(s) \"replicas\" not set");
    if (op->verb == SA_CLI_PATCH && (op->patch == NULL) == (op->patch_file == NULL))
        return sa_err_set(err, SA_EREFUSED,
                          "must specify --patch or --patch-file containing the contents of the "
                          "patch, and not both");
    return 0;
}

int sa_cli_op_options(int argc, char **argv, struct sa_cli_op *op, struct sa_err **err)
{
    *op = (struct sa_cli_op){.format = SA_FORMAT_TABLE,
                             .timeout_ms = TIMEOUT_MS,
                             .selector = "",
                             .field_manager = "",
                             .container = "",
                             .patch_type = SCALEAGENT__V1__PATCH_OPERATION__TYPE__STRATEGIC,
                             .wait = true,
                             .grace_seconds = -1,
                             .replicas = -1,
                             .tail_lines = -1};
    if (argc < 1 || strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0)
        return 1;
    if (argv[0][0] == '-' || argc < 2)
        return sa_err_set(err, SA_EREFUSED, "op takes an account and what is to be done there");
    op->account = argv[0];
    op->verb = SA_CLI_VERBS;
    for (size_t i = 0; i < SA_CLI_VERBS; i++) {
        if (strcmp(verb_names[i], argv[1]) == 0)
            op->verb = (enum sa_cli_verb)i;
    }
    if (op->verb == SA_CLI_VERBS && (strcmp(argv[1], "-h") == 0 || strcmp(argv[1], "--help") == 0))
        return 1;
    if (strcmp(argv[1], "list") == 0) /* a get of no name */
        op->verb = SA_CLI_GET;
    if (op->verb == SA_CLI_VERBS)
        return sa_err_set(err, SA_EREFUSED, "%s is no operation; see scale-agentctl op --help",
                          argv[1]);
    int r = read_options(argc - 1, argv + 1, op, err);
    if (r == 0)
        r = read_second_word(op, err);
    return r == 0 ? check(op, err) : r;
}
