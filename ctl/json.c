/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "ctl/cli.h"

const char *sa_cli_string(const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsString(v) ? v->valuestring : "";
}

double sa_cli_num(const cJSON *o, const char *name)
{
    const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, name);
    return cJSON_IsNumber(v) ? v->valuedouble : 0;
}

bool sa_cli_true(const cJSON *o, const char *name)
{
    return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, name));
}

int sa_cli_print(const cJSON *v)
{
    struct sa_buf b;
    char *text = cJSON_Print(v);
    sa_buf_init(&b, 0);
    if (text == NULL)
        b.failed = true;
    else
        sa_buf_adds(&b, text);
    sa_buf_addc(&b, '\n');
    cJSON_free(text);
    return sa_put(&b);
}
