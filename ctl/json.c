/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "config/yaml_emit.h"
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

bool sa_cli_data(const struct sa_cli *c)
{
    return c->format == SA_FORMAT_JSON || c->format == SA_FORMAT_YAML;
}

int sa_cli_print(const struct sa_cli *c, const cJSON *v)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    if (c->format == SA_FORMAT_YAML) {
        sa_yaml_emit(v, false, &b);
        return sa_put(&b);
    }
    char *text = cJSON_Print(v);
    if (text == NULL)
        b.failed = true;
    else
        sa_buf_adds(&b, text);
    sa_buf_addc(&b, '\n');
    cJSON_free(text);
    return sa_put(&b);
}

int sa_cli_put(const struct sa_cli *c, struct sa_buf *json)
{
    if (c->format != SA_FORMAT_YAML || json->failed)
        return sa_put(json);
    cJSON *v = cJSON_ParseWithLength(json->data, json->len);
    sa_buf_reset(json);
    if (v == NULL)
        json->failed = true;
    else
        sa_yaml_emit(v, false, json);
    cJSON_Delete(v);
    return sa_put(json);
}
