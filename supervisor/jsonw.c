/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/jsonw.h"

#include <inttypes.h>

struct sa_jsonw sa_jsonw(struct sa_buf *b)
{
    return (struct sa_jsonw){.b = b};
}

static void begin(struct sa_jsonw *j, const char *key)
{
    if (j->comma)
        sa_buf_addc(j->b, ',');
    j->comma = true;
    if (!key)
        return;
    sa_buf_add_json(j->b, key);
    sa_buf_addc(j->b, ':');
}

void sa_jsonw_open(struct sa_jsonw *j, const char *key, char bracket)
{
    begin(j, key);
    sa_buf_addc(j->b, bracket);
    j->comma = false;
}

void sa_jsonw_close(struct sa_jsonw *j, char bracket)
{
    sa_buf_addc(j->b, bracket);
    j->comma = true;
}

void sa_jsonw_text(struct sa_jsonw *j, const char *key, const char *value)
{
    begin(j, key);
    if (value)
        sa_buf_add_json(j->b, value);
    else
        sa_buf_adds(j->b, "null");
}

void sa_jsonw_number(struct sa_jsonw *j, const char *key, uint64_t value)
{
    begin(j, key);
    sa_buf_addf(j->b, "%" PRIu64, value);
}

void sa_jsonw_bool(struct sa_jsonw *j, const char *key, bool value)
{
    begin(j, key);
    sa_buf_adds(j->b, value ? "true" : "false");
}
