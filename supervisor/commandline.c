/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/commandline.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/log.h"
#include "base/process.h"
#include "config/print.h"
#include "config/reader.h"
#include "supervisor/supervisor.h"

#define PATHS_MAX 32u
#define TEXT_MAX  ((size_t)64 << 20)

enum action { RUN, CHECK, PRINT_CONFIG, PRINT_SCHEMA, PRINT_KEYS, USAGE };

struct list {
    const char *v[PATHS_MAX + 1]; /* NULL-terminated */
    size_t n;
};

struct command {
    enum action action;
    int exit_code;
    struct list main_files, drop_in_dirs, account_dirs;
    struct sa_config_paths paths;
    struct sa_supervisor_options options;
};

static const char help[] =
    "Usage: scale-agentd [OPTION]...\n"
    "Streams Kubernetes clusters to Spinnaker. Runs in the foreground.\n"
    "\n"
    "Configuration\n"
    "  -c, --config FILE    read FILE instead of /etc/scale-agent/scale-agent.yml; may be\n"
    "                       repeated, later files override earlier ones\n"
    "      --drop-ins DIR   read DIR/*.yml after them, instead of /etc/scale-agent/scale-agent.d\n"
    "      --accounts DIR   accounts, instead of /etc/scale-agent/accounts.d\n"
    "      --runtime-dir DIR, --state-dir DIR, --log-level LEVEL\n"
    "                       override the keys of these names\n"
    "With --config, --drop-ins or --accounts only what is named is read.\n"
    "\n"
    "Instead of running\n"
    "      --check          print every problem of the configuration as FILE:LINE:COLUMN;\n"
    "                       exit 1 if there is an error\n"
    "      --print-config   print what is in effect, secrets masked\n"
    "      --print-schema   print the JSON Schema of the configuration\n"
    "      --print-keys     print every key with type, default and meaning\n"
    "      --version, --help\n"
    "\n"
    "Examples\n"
    "  scale-agentd --check\n"
    "  scale-agentd -c ./agent.yml --accounts ./accounts --runtime-dir /tmp/sa/run \\\n"
    "               --state-dir /tmp/sa/state\n"
    "\n"
    "Signals: HUP reloads, USR1 reopens the log file, TERM and INT stop in order.\n"
    "Exit code: 0 after an orderly stop, 1 failure, 2 wrong configuration or command line.\n"
    "See scale-agentd(8), scale-agent.yml(5), scale-agentctl(1).\n";

static int add(struct list *l, const char *path, const char *option)
{
    if (l->n == PATHS_MAX) {
        fprintf(stderr, "scale-agentd: more than %u times %s\n", PATHS_MAX, option);
        return -1;
    }
    l->v[l->n++] = path;
    return 0;
}

static int usage_error(void)
{
    fputs("scale-agentd: see scale-agentd --help\n", stderr);
    return -1;
}

enum { DROP_INS = 256, ACCOUNTS, RUNTIME_DIR, STATE_DIR, LOG_LEVEL };

static const struct option long_options[] = {
    {"config", required_argument, NULL, 'c'},
    {"drop-ins", required_argument, NULL, DROP_INS},
    {"accounts", required_argument, NULL, ACCOUNTS},
    {"runtime-dir", required_argument, NULL, RUNTIME_DIR},
    {"state-dir", required_argument, NULL, STATE_DIR},
    {"log-level", required_argument, NULL, LOG_LEVEL},
    {"check", no_argument, NULL, 'C'},
    {"print-config", no_argument, NULL, 'P'},
    {"print-schema", no_argument, NULL, 'S'},
    {"print-keys", no_argument, NULL, 'K'},
    {"version", no_argument, NULL, 'V'},
    {"help", no_argument, NULL, 'h'},
    {NULL, 0, NULL, 0},
};

static int set_level(struct command *cmd, const char *name)
{
    enum sa_level level;

    if (sa_log_level_parse(name, &level) < 0) {
        fprintf(
            stderr,
            "scale-agentd: %s is no log level; they are fatal, error, warn, info, debug, trace\n",
            name);
        return -1;
    }
    cmd->options.log_level = name;
    return 0;
}

static int take_option(struct command *cmd, int option)
{
    switch (option) {
    case 'c':
        return add(&cmd->main_files, optarg, "--config");
    case DROP_INS:
        return add(&cmd->drop_in_dirs, optarg, "--drop-ins");
    case ACCOUNTS:
        return add(&cmd->account_dirs, optarg, "--accounts");
    case RUNTIME_DIR:
        cmd->options.runtime_dir = optarg;
        return 0;
    case STATE_DIR:
        cmd->options.state_dir = optarg;
        return 0;
    case LOG_LEVEL:
        return set_level(cmd, optarg);
    case 'C':
        cmd->action = CHECK;
        return 0;
    case 'P':
        cmd->action = PRINT_CONFIG;
        return 0;
    case 'S':
        cmd->action = PRINT_SCHEMA;
        return 0;
    case 'K':
        cmd->action = PRINT_KEYS;
        return 0;
    case 'V':
        puts("scale-agentd " SA_VERSION);
        cmd->action = USAGE;
        return 0;
    case 'h':
        fputs(help, stdout);
        cmd->action = USAGE;
        return 0;
    default:
        return usage_error();
    }
}

static int parse(int argc, char **argv, struct command *cmd)
{
    int option;

    while ((option = getopt_long(argc, argv, "c:h", long_options, NULL)) >= 0)
        if (take_option(cmd, option) < 0)
            return -1;
    if (optind < argc) {
        fprintf(stderr, "scale-agentd: %s is not an option\n", argv[optind]);
        return usage_error();
    }
    cmd->paths = *sa_config_default_paths();
    if (cmd->main_files.n + cmd->drop_in_dirs.n + cmd->account_dirs.n > 0) {
        cmd->paths.main_files = cmd->main_files.v;
        cmd->paths.drop_in_dirs = cmd->drop_in_dirs.v;
        cmd->paths.account_dirs = cmd->account_dirs.v;
    }
    cmd->options.paths = &cmd->paths;
    return 0;
}

static int put(struct sa_buf *b, FILE *to)
{
    int rc =
        b->failed || fwrite(b->data ? b->data : "", 1, b->len, to) != b->len || fflush(to) != 0;

    sa_buf_free(b);
    return rc;
}

static int check(const struct command *cmd)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_settings settings = {0};
    struct sa_problems problems = {0};
    struct sa_buf out;
    int rc = sa_config_load(&cmd->paths, &settings, &problems, &err);

    sa_buf_init(&out, TEXT_MAX);
    sa_problems_print(&problems, &out);
    if (rc < 0 && problems.n == 0)
        sa_buf_addf(&out, "%s\n", sa_err_msg(err));
    if (rc == 0)
        sa_buf_addf(&out, "The configuration is valid; %zu accounts.\n", settings.n_accounts);
    sa_settings_free(&settings);
    sa_problems_free(&problems);
    return put(&out, stdout) != 0 || rc < 0 ? 1 : 0;
}

static int print_config(const struct command *cmd, struct sa_buf *out, struct sa_err **err)
{
    struct sa_problems problems = {0};
    struct sa_buf text;
    int rc = sa_config_print(&cmd->paths, out, &problems, err);

    sa_buf_init(&text, TEXT_MAX);
    sa_problems_print(&problems, &text);
    sa_problems_free(&problems);
    put(&text, stderr);
    return rc;
}

static int print(const struct command *cmd)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_buf out;
    int rc = 0;

    sa_buf_init(&out, TEXT_MAX);
    if (cmd->action == PRINT_SCHEMA)
        rc = sa_config_schema(&out, &err);
    else if (cmd->action == PRINT_KEYS)
        rc = sa_config_reference_markdown(&out, &err);
    else
        rc = print_config(cmd, &out, &err);
    if (put(&out, stdout) != 0 || rc < 0) {
        fprintf(stderr, "scale-agentd: %s\n", rc < 0 ? sa_err_msg(err) : "cannot write");
        return 1;
    }
    return 0;
}

/* The memory of argv is overwritten by process titles: what is kept of it must be a copy. */
static char **copy_arguments(int argc, char **argv)
{
    char **copy = calloc((size_t)argc + 1, sizeof(*copy));

    for (int i = 0; copy && i < argc; i++) {
        copy[i] = strdup(argv[i]);
        if (!copy[i])
            abort(); /* without memory for that there is nothing to be done */
    }
    return copy;
}

static void free_arguments(char **copy)
{
    for (char **p = copy; p && *p; p++)
        free(*p);
    free(copy);
}

/* The stock files need not exist; one that was named must. */
static bool named_files_exist(const struct command *cmd)
{
    bool all = true;

    for (size_t i = 0; i < cmd->main_files.n; i++) {
        if (access(cmd->main_files.v[i], R_OK) == 0)
            continue;
        fprintf(stderr, "%s: error: cannot be read: %s\n", cmd->main_files.v[i], strerror(errno));
        all = false;
    }
    return all;
}

static int perform(const struct command *cmd, const struct sa_child_mains *mains)
{
    struct sa_log_options log = {.journald = getenv("JOURNAL_STREAM") != NULL};

    sa_hash_init();
    if ((cmd->action == CHECK || cmd->action == RUN) && !named_files_exist(cmd))
        return cmd->action == CHECK ? 1 : SA_EXIT_CONFIG;
    if (cmd->action == CHECK)
        return check(cmd);
    if (cmd->action != RUN)
        return print(cmd);
    sa_log_set_identity("supervisor", NULL);
    sa_log_configure(&log, NULL);
    return sa_supervisor_run(mains, &cmd->options);
}

int sa_supervisor_main(int argc, char **argv, const struct sa_child_mains *mains)
{
    char **arguments = copy_arguments(argc, argv);
    struct command cmd = {0};
    int rc = SA_EXIT_CONFIG;

    if (arguments && parse(argc, arguments, &cmd) == 0) {
        sa_title_init(argc, argv);
        rc = cmd.action == USAGE ? 0 : perform(&cmd, mains);
    }
    free_arguments(arguments);
    return rc;
}
