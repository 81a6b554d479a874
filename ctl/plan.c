/* SPDX-License-Identifier: Apache-2.0 */
/* discover --account: what an account follows, and what not and why, as its worker says. */
#include <stdio.h>
#include <string.h>

#include "ctl/cli.h"

static enum sa_tone tone_of(const char *state)
{
    static const struct {
        const char *state;
        enum sa_tone tone;
    } tones[] = {
        {"in step", SA_TONE_GOOD}, {"failing", SA_TONE_BAD},    {"forbidden", SA_TONE_BAD},
        {"unknown", SA_TONE_WARN}, {"not served", SA_TONE_BAD}, {"omitted", SA_TONE_DIM},
    };
    for (size_t i = 0; i < sizeof tones / sizeof tones[0]; i++) {
        if (strcmp(tones[i].state, state) == 0)
            return tones[i].tone;
    }
    return SA_TONE_PLAIN;
}

static bool is_followed(const char *state)
{
    return strcmp(state, "omitted") != 0 && strcmp(state, "not served") != 0;
}

static void cell_or_dash(struct sa_grid *t, const char *text)
{
    sa_grid_cell(t, SA_TONE_PLAIN, "%s", text[0] == '\0' ? "-" : text);
}

static void put_row(struct sa_grid *t, const cJSON *row)
{
    const char *group = sa_cli_string(row, "group"), *resource = sa_cli_string(row, "resource");
    const char *state = sa_cli_string(row, "state"), *namespace = sa_cli_string(row, "namespace");
    const char *name = resource[0] == '\0' ? sa_cli_string(row, "kind") : resource;
    sa_grid_cell(t, SA_TONE_PLAIN, "%s%s%s", name, group[0] == '\0' ? "" : ".", group);
    cell_or_dash(t, sa_cli_string(row, "version"));
    if (namespace[0] != '\0')
        sa_grid_cell(t, SA_TONE_PLAIN, "%s", namespace);
    else
        sa_grid_cell(t, SA_TONE_PLAIN, "%s", sa_cli_true(row, "namespaced") ? "all" : "-");
    sa_grid_cell(t, tone_of(state), "%s", state);
    if (is_followed(state))
        sa_grid_cell(t, SA_TONE_PLAIN, "%.0f", sa_cli_num(row, "objects"));
    else
        sa_grid_cell(t, SA_TONE_PLAIN, "-");
    sa_grid_cell(t, SA_TONE_PLAIN, "%s", sa_cli_string(row, "why"));
}

static int print(const struct sa_cli *cli, const cJSON *rows, const cJSON *end)
{
    static const char *const heads[] = {"RESOURCE", "VERSION", "NAMESPACE",
                                        "STATE",    "OBJECTS", "WHY"};
    const cJSON *row;
    struct sa_grid t;
    struct sa_buf out;
    double left_off = sa_cli_num(end, "left_off");
    sa_buf_init(&out, 0);
    sa_buf_addf(&out, "%s: %s", sa_cli_string(end, "account"), sa_cli_string(end, "state"));
    if (sa_cli_string(end, "last_error")[0] != '\0')
        sa_buf_addf(&out, "; last error: %s", sa_cli_string(end, "last_error"));
    sa_buf_adds(&out, "\n\n");
    sa_grid_init(&t, heads, sizeof heads / sizeof heads[0]);
    cJSON_ArrayForEach(row, rows) put_row(&t, row);
    if (cJSON_GetArraySize(rows) > 0)
        sa_grid_print(&t, cli->colour, &out);
    else
        sa_buf_adds(&out, "Nothing is discovered yet.\n");
    if (left_off > 0)
        sa_buf_addf(&out, "\n%.0f more that are not followed were left off.\n", left_off);
    sa_grid_free(&t);
    return sa_put(&out);
}

/* One object: {account, state, last_error, left_off, resources: [row...]}. Takes rows over. */
static int print_json(const struct sa_cli *c, cJSON *end, cJSON *rows)
{
    if (!cJSON_AddItemToObject(end, "resources", rows)) {
        cJSON_Delete(rows);
        return SA_EXIT_NO;
    }
    return sa_cli_print(c, end);
}

int sa_cmd_plan(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    char request[4096];
    cJSON *rows, *end;
    int r, n = snprintf(request, sizeof request, "discover %s", c->account);
    if (n < 0 || (size_t)n >= sizeof request) {
        fprintf(stderr, "scale-agentctl: the name is too long\n");
        return SA_EXIT_USAGE;
    }
    if (sa_cli_ask(c->socket, request, &rows, &err) != 0)
        return sa_cli_fail(err);
    end = cJSON_DetachItemFromArray(rows, cJSON_GetArraySize(rows) - 1);
    if (!cJSON_IsObject(end)) {
        sa_err_set(&err, SA_EPROTOCOL, "the answer is not as expected; do versions differ?");
        r = sa_cli_fail(err);
    } else if (sa_cli_data(c)) {
        r = print_json(c, end, rows);
        rows = NULL;
    } else {
        r = print(c, rows, end);
    }
    cJSON_Delete(rows);
    cJSON_Delete(end);
    return r;
}
