/* SPDX-License-Identifier: Apache-2.0 */
/* scale-agentctl: the command line. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/cli.h"
#include "ctl/op.h"

#define STOCK_SOCKET "/run/scale-agent/control.sock"

/* Formats by the enum, as bits. */
#define TABLE (1u << SA_FORMAT_TABLE)
#define WIDE  (1u << SA_FORMAT_WIDE)
#define JSON  (1u << SA_FORMAT_JSON)
#define YAML  (1u << SA_FORMAT_YAML)
#define NAME  (1u << SA_FORMAT_NAME)

static const struct command {
    const char *name;
    int min_args, max_args;
    unsigned formats;
    bool count, namespace, account; /* takes -n NUMBER, -n NAMESPACE, --account */
    int (*run)(const struct sa_cli *c);
    const char *arguments, *help;
    const char *examples; /* a command line each */
} commands[] = {
    {"status", 0, 0, TABLE | WIDE | JSON | YAML, false, false, false, sa_cmd_status, "",
     "the accounts and how they are; exit code 4 if one needs attention",
     "  scale-agentctl status -o wide\n"
     "  scale-agentctl status -o json | jq -r '.accounts[] | select(.state != \"streaming\") | "
     ".name'\n"},
    {"top", 0, 0, TABLE | JSON, true, false, false, sa_cmd_top, "[-n COUNT]",
     "the same each second, with rates",
     "  scale-agentctl top\n"
     "  scale-agentctl top -n 5 --no-color\n"},
    {"accounts", 0, 0, TABLE | JSON | YAML | NAME, false, false, false, sa_cmd_accounts, "",
     "the accounts and where they come from",
     "  scale-agentctl accounts\n"
     "  scale-agentctl accounts -o name\n"},
    {"get", 1, 2, TABLE | WIDE | JSON | YAML | NAME, false, true, true, sa_cmd_get,
     "KIND [NAME] [-n NAMESPACE] [--account A]",
     "objects of the local cache (sink: sqlite); KIND may be all",
     "  scale-agentctl get pods -n default\n"
     "  scale-agentctl get deployments.apps web -n shop --account prod-eu-1 -o yaml\n"},
    {"tail", 0, 0, TABLE | JSON, true, false, true, sa_cmd_tail, "[-n COUNT] [--account A]",
     "changes as they are stored in the local cache",
     "  scale-agentctl tail\n"
     "  scale-agentctl tail --account prod-eu-1 -n 100\n"},
    {"reload", 0, 0, TABLE | JSON, false, false, false, sa_cmd_reload, "",
     "read the configuration again", "  scale-agentctl reload\n"},
    {"restart", 1, 1, TABLE | JSON, false, false, false, sa_cmd_restart, "ACCOUNT",
     "start its worker anew", "  scale-agentctl restart prod-eu-1\n"},
    {"pause", 1, 1, TABLE | JSON, false, false, false, sa_cmd_pause, "ACCOUNT",
     "stop its worker until resume", "  scale-agentctl pause prod-eu-1\n"},
    {"resume", 1, 1, TABLE | JSON, false, false, false, sa_cmd_resume, "ACCOUNT",
     "let it work again", "  scale-agentctl resume prod-eu-1\n"},
    {"log-level", 1, 1, TABLE | JSON, false, false, false, sa_cmd_log_level, "LEVEL",
     "fatal, error, warn, info, debug or trace", "  scale-agentctl log-level debug\n"},
    {"check", 0, 64, TABLE | JSON | YAML, false, false, false, sa_cmd_check, "[FILE|DIRECTORY]...",
     "every problem of the configuration; by default of the installed one",
     "  scale-agentctl check\n"
     "  scale-agentctl check /etc/scale-agent new-account.yml\n"},
    {"migrate", 1, 1, TABLE | JSON | YAML, false, false, false, sa_cmd_migrate, "FILE",
     "what becomes of each key of an armory-agent.yml; exit code 1 if one is refused or unknown",
     "  scale-agentctl migrate armory-agent.yml\n"},
    {"config", 1, 65, TABLE | JSON | YAML, false, false, false, sa_cmd_config,
     "diff [FILE|DIRECTORY]...",
     "what is set otherwise than by default, and in which file and line",
     "  scale-agentctl config diff\n"
     "  scale-agentctl config diff /etc/scale-agent -o yaml\n"},
    {"discover", 0, 1, TABLE | JSON | YAML, false, false, true, sa_cmd_discover,
     "KUBECONFIG | --account ACCOUNT",
     "the contexts of a kubeconfig file, and accounts made of them; or what an account follows, "
     "and what not and why",
     "  scale-agentctl discover ~/.kube/config\n"
     "  scale-agentctl discover --account prod-eu-1\n"},
    {"doctor", 0, 64, TABLE | WIDE | JSON | YAML, false, false, true, sa_cmd_doctor,
     "[FILE|DIRECTORY]... [--account A]",
     "everything between here and there, step by step: what is wrong, and what to do; exit code 1 "
     "with errors, 4 with warnings",
     "  scale-agentctl doctor\n"
     "  scale-agentctl doctor --account prod-eu-1 -o wide\n"},
    {"support-dump", 0, 64, TABLE, false, false, false, sa_cmd_support_dump, "[FILE|DIRECTORY]...",
     "what someone who helps needs to know, as one text",
     "  scale-agentctl support-dump >dump.txt\n"},
};
#define N_COMMANDS (sizeof commands / sizeof commands[0])

static const char options_help[] =
    "\nOptions\n"
    "  -s, --socket PATH      the daemon's control socket (" STOCK_SOCKET ")\n"
    "      --database FILE    the local cache, where it is not the daemon's\n"
    "      --account ACCOUNT  of get, tail and doctor: that account alone; of discover:\n"
    "                         which one\n"
    "  -n                     of get: a namespace; of top and tail: end after this many\n"
    "  -o, --output FORMAT    table, wide, json, yaml or name, as far as a command has it\n"
    "      --no-color         no colours; they are used on a terminal only, NO_COLOR is heeded\n"
    "  -h, --help, --version\n"
    "\nExit codes: 0 done, 1 failed or not found, 2 wrong command line, 3 no daemon answers,\n"
    "4 status: an account or the configuration needs attention; doctor: warnings.\n";

static void print_help(void)
{
    puts("Usage: scale-agentctl COMMAND [ARGUMENT]... [OPTION]...\n\nCommands");
    for (size_t i = 0; i < N_COMMANDS; i++) {
        printf("  %s %s\n", commands[i].name, commands[i].arguments);
        printf("        %s\n", commands[i].help);
    }
    puts("  op ACCOUNT OPERATION ...\n"
         "        get, apply, delete, logs and others by hand; see scale-agentctl op --help\n"
         "  seal [--public FILE] KUBECONFIG | --init [--key FILE]\n"
         "        a kubeconfig that one host alone can open; and that host's key");
    fputs(options_help, stdout);
}

static const char *const format_names[] = {
    [SA_FORMAT_TABLE] = "table", [SA_FORMAT_WIDE] = "wide", [SA_FORMAT_JSON] = "json",
    [SA_FORMAT_YAML] = "yaml",   [SA_FORMAT_NAME] = "name",
};
#define N_FORMATS (sizeof format_names / sizeof format_names[0])

static void print_command_help(const struct command *c)
{
    printf("Usage: scale-agentctl %s %s%s[OPTION]...\n\n  %s\n\nFormats (-o):", c->name,
           c->arguments, c->arguments[0] != '\0' ? " " : "", c->help);
    for (size_t i = 0; i < N_FORMATS; i++) {
        if ((c->formats & (1u << i)) != 0)
            printf(" %s", format_names[i]);
    }
    printf("\n\nExamples\n%s\nscale-agentctl --help has all options.\n", c->examples);
}

static int usage(const char *text, const char *word)
{
    fprintf(stderr, "scale-agentctl: %s%s; see scale-agentctl --help\n", text, word);
    return SA_EXIT_USAGE;
}

static int parse_format(const char *word, enum sa_format *out)
{
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (strcmp(format_names[i], word) == 0) {
            *out = (enum sa_format)i;
            return 0;
        }
    }
    return -1;
}

struct options {
    struct sa_cli cli;
    const char *n; /* of -n, which means two things */
    bool help;     /* --help was given */
    bool done;     /* --version was answered */
};

enum { DATABASE = 256, ACCOUNT, NO_COLOR, VERSION };

static const struct option long_options[] = {
    {"socket", required_argument, NULL, 's'},      {"database", required_argument, NULL, DATABASE},
    {"account", required_argument, NULL, ACCOUNT}, {"namespace", required_argument, NULL, 'n'},
    {"count", required_argument, NULL, 'n'},       {"output", required_argument, NULL, 'o'},
    {"no-color", no_argument, NULL, NO_COLOR},     {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, VERSION},       {NULL, 0, NULL, 0},
};

static int take_option(struct options *o, int option)
{
    switch (option) {
    case 's':
        o->cli.socket = optarg;
        return 0;
    case DATABASE:
        o->cli.database = optarg;
        return 0;
    case ACCOUNT:
        o->cli.account = optarg;
        return 0;
    case 'n':
        o->n = optarg;
        return 0;
    case 'o':
        return parse_format(optarg, &o->cli.format) == 0 ? 0 : usage("no such format: ", optarg);
    case NO_COLOR:
        o->cli.colour = false;
        return 0;
    case 'h':
        o->help = true;
        return 0;
    case VERSION:
        puts("scale-agentctl " SA_VERSION);
        o->done = true;
        return 0;
    default:
        return usage("wrong option", "");
    }
}

/* A number above 0, in decimal. */
static int parse_count(const char *s, uint64_t *out)
{
    char *end;
    errno = 0;
    unsigned long long v = strtoull(s, &end, 10);
    if (s[strspn(s, "0123456789")] != '\0' || *s == '\0' || errno != 0 || v == 0)
        return usage("expected a number above 0, not ", s);
    *out = v;
    return 0;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < N_COMMANDS; i++) {
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    }
    return NULL;
}

/* Checks what the command takes and runs it. */
static int run(struct options *o, const struct command *cmd)
{
    struct sa_cli *c = &o->cli;
    if (c->n_args < cmd->min_args || c->n_args > cmd->max_args) {
        fprintf(stderr, "Usage: scale-agentctl %s %s\n", cmd->name, cmd->arguments);
        return SA_EXIT_USAGE;
    }
    if ((cmd->formats & (1u << c->format)) == 0)
        return usage("this format is not one of ", cmd->name);
    if (c->account != NULL && !cmd->account)
        return usage("--account is not an option of ", cmd->name);
    if (o->n != NULL && !cmd->count && !cmd->namespace)
        return usage("-n is not an option of ", cmd->name);
    if (o->n != NULL && cmd->count && parse_count(o->n, &c->count) != 0)
        return SA_EXIT_USAGE;
    if (!cmd->count)
        c->namespace = o->n;
    return cmd->run(c);
}

/* args from the command on: "help" becomes --help, "help COMMAND" COMMAND --help. */
static void take_help(int n_args, char **args)
{
    static char option[] = "--help";
    if (n_args == 0 || strcmp(args[0], "help") != 0)
        return;
    if (n_args > 1)
        args[0] = args[1];
    args[n_args > 1 ? 1 : 0] = option;
}

int main(int argc, char **argv)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    struct options o = {.cli = {.socket = STOCK_SOCKET}};
    int option, r = 0;
    o.cli.colour = isatty(STDOUT_FILENO) == 1 && (no_color == NULL || no_color[0] == '\0') &&
                   (term == NULL || strcmp(term, "dumb") != 0);
    /* Up to the command: what follows op is its own. */
    while ((option = getopt_long(argc, argv, "+s:n:o:h", long_options, NULL)) >= 0) {
        r = take_option(&o, option);
        if (r != 0 || o.done)
            return r;
    }
    if (o.help) {
        print_help();
        return SA_EXIT_OK;
    }
    take_help(argc - optind, argv + optind);
    if (optind < argc && strcmp(argv[optind], "seal") == 0)
        return sa_cmd_seal(argc - optind, argv + optind);
    if (optind < argc && strcmp(argv[optind], "op") == 0)
        return sa_cmd_op(&o.cli, argc - optind - 1, argv + optind + 1);
    optind = 0; /* again, with those behind the command */
    while ((option = getopt_long(argc, argv, "s:n:o:h", long_options, NULL)) >= 0) {
        r = take_option(&o, option);
        if (r != 0 || o.done)
            return r;
    }
    if (optind == argc) {
        print_help();
        return o.help ? SA_EXIT_OK : SA_EXIT_USAGE;
    }
    const struct command *cmd = find_command(argv[optind]);
    if (cmd == NULL)
        return usage("no such command: ", argv[optind]);
    if (o.help) {
        print_command_help(cmd);
        return SA_EXIT_OK;
    }
    o.cli.args = argv + optind + 1;
    o.cli.n_args = argc - optind - 1;
    return run(&o, cmd);
}
