/* SPDX-License-Identifier: Apache-2.0 */
/* reload, restart, pause, resume, log-level: a request each. */
#include <stdio.h>

#include "ctl/cli.h"

/* Sends "VERB ARGUMENT" and says done, in words, unless JSON is wanted. */
static int order(const struct sa_cli *c, const char *verb, const char *done)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char request[4096];
    cJSON *answer;
    int n = snprintf(request, sizeof request, "%s %s", verb, c->args[0]);
    if (n < 0 || (size_t)n >= sizeof request) {
        fprintf(stderr, "scale-agentctl: the name is too long\n");
        return SA_EXIT_USAGE;
    }
    if (sa_cli_ask(c->socket, request, &answer, &err) != 0)
        return sa_cli_fail(err);
    cJSON_Delete(answer);
    if (c->format != SA_FORMAT_JSON)
        printf("%s %s\n", c->args[0], done);
    return SA_EXIT_OK;
}

int sa_cmd_restart(const struct sa_cli *c)
{
    return order(c, "restart", "is restarted");
}

int sa_cmd_pause(const struct sa_cli *c)
{
    return order(c, "pause", "is paused; its rows stay as they are until it is resumed");
}

int sa_cmd_resume(const struct sa_cli *c)
{
    return order(c, "resume", "is resumed");
}

int sa_cmd_log_level(const struct sa_cli *c)
{
    return order(c, "log-level", "is the log level until the daemon ends or reads another");
}

static void print_reload(const cJSON *result)
{
    const cJSON *p;
    cJSON_ArrayForEach(p, cJSON_GetObjectItemCaseSensitive(result, "problems"))
        fprintf(stderr, "%s:%.0f:%.0f: %s: %s\n", sa_cli_string(p, "file"), sa_cli_num(p, "line"),
                sa_cli_num(p, "column"), sa_cli_true(p, "warning") ? "warning" : "error",
                sa_cli_string(p, "text"));
    if (!sa_cli_true(result, "valid")) {
        fputs("The configuration is not valid; the one before it stays in force.\n", stderr);
        return;
    }
    printf("Accounts: %.0f added, %.0f changed, %.0f removed, %.0f with new credentials.%s\n",
           sa_cli_num(result, "added"), sa_cli_num(result, "changed"),
           sa_cli_num(result, "removed"), sa_cli_num(result, "credentials"),
           sa_cli_true(result, "settings") ? " Agent-wide settings changed." : "");
}

int sa_cmd_reload(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    cJSON *answer;
    int r = sa_cli_ask_all(c->socket, "reload", &answer, &err) == 0 ? SA_EXIT_OK : SA_EXIT_NO;
    const cJSON *result =
        cJSON_GetArrayItem(answer, 0); /* with an error as well, if it is the files' */
    if (result == NULL)
        r = sa_cli_fail(err);
    else if (c->format == SA_FORMAT_JSON)
        sa_cli_print(c, result);
    else
        print_reload(result);
    cJSON_Delete(answer);
    return r;
}
