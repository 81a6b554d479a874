/* SPDX-License-Identifier: Apache-2.0 */
/* config diff: what is set otherwise than by default, and where. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/print.h"
#include "ctl/check.h"

static void value_cell(struct sa_grid *t, enum sa_tone tone, const cJSON *v)
{
    char *text = cJSON_IsString(v) ? NULL : cJSON_PrintUnformatted(v);
    if (cJSON_IsString(v))
        sa_grid_cell(t, tone, "%s", v->valuestring);
    else
        sa_grid_cell(t, tone, "%s", text == NULL || cJSON_IsNull(v) ? "-" : text);
    cJSON_free(text);
}

static int print_table(const struct sa_cli *c, const cJSON *list)
{
    static const char *const heads[] = {"KEY", "VALUE", "DEFAULT", "SET IN"};
    struct sa_grid t;
    struct sa_buf out;
    const cJSON *d;
    sa_grid_init(&t, heads, sizeof heads / sizeof heads[0]);
    sa_buf_init(&out, 0);
    cJSON_ArrayForEach(d, list)
    {
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s", sa_cli_string(d, "key"));
        value_cell(&t, SA_TONE_PLAIN, cJSON_GetObjectItemCaseSensitive(d, "value"));
        value_cell(&t, SA_TONE_DIM, cJSON_GetObjectItemCaseSensitive(d, "default"));
        sa_grid_cell(&t, SA_TONE_PLAIN, "%s:%.0f", sa_cli_string(d, "file"), sa_cli_num(d, "line"));
    }
    if (cJSON_GetArraySize(list) == 0)
        sa_buf_adds(&out, "Nothing differs from the defaults.\n");
    else
        sa_grid_print(&t, c->colour, &out);
    sa_grid_free(&t);
    return sa_put(&out);
}

static void print_problems(const struct sa_problems *p)
{
    struct sa_buf text;
    sa_buf_init(&text, 0);
    sa_problems_print(p, &text);
    if (!text.failed && text.len > 0)
        fwrite(text.data, 1, text.len, stderr);
    sa_buf_free(&text);
}

static int diff(const struct sa_cli *c, const struct sa_config_paths *paths)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_problems problems;
    struct sa_buf json;
    sa_buf_init(&json, 0);
    int r = sa_config_differences(paths, &json, &problems, &err);
    if (r != 0)
        print_problems(&problems);
    if (r != 0 && problems.n == 0)
        sa_cli_fail(err);
    sa_problems_free(&problems);
    cJSON *list = r == 0 ? cJSON_ParseWithLength(json.data, json.len) : NULL;
    sa_buf_free(&json);
    if (list == NULL)
        return SA_EXIT_NO;
    r = sa_cli_data(c) ? sa_cli_print(c, list) : print_table(c, list);
    cJSON_Delete(list);
    return r;
}

int sa_cmd_config(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_check_paths paths;
    struct sa_cli rest = *c;
    if (strcmp(c->args[0], "diff") != 0) {
        fprintf(stderr, "scale-agentctl: config %s is not a command; there is config diff\n",
                c->args[0]);
        return SA_EXIT_USAGE;
    }
    rest.args = c->args + 1;
    rest.n_args = c->n_args - 1;
    int r = sa_check_find(&rest, &paths, &err) == 0 ? diff(&rest, &paths.paths) : sa_cli_fail(err);
    sa_check_free(&paths);
    return r;
}
