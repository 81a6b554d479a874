/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/ops/log_cut.h"

#include <inttypes.h>
#include <stdio.h>

bool sa_log_cut_begin(struct sa_log_cut *c, uint64_t limit_bytes)
{
    uint64_t left = SA_LOGS_MAX - c->total;
    c->limit = limit_bytes && limit_bytes < left ? limit_bytes : left;
    c->taken = c->dropped = 0;
    c->last = '\n';
    return left > 0;
}

/* Where a character begins, at n or before it, of which a part would be lost. */
static size_t whole_characters(const unsigned char *p, size_t n)
{
    size_t i = n;
    while (i > 0 && n - i < 3 && (p[i] & 0xc0) == 0x80)
        i--;
    return (p[i] & 0xc0) == 0x80 ? n : i; /* else it is no UTF-8 */
}

size_t sa_log_cut_take(struct sa_log_cut *c, const void *p, size_t n)
{
    uint64_t left = c->limit - c->taken;
    size_t take = n;
    if (c->dropped > 0)
        take = 0;
    else if (n > left)
        take = whole_characters(p, (size_t)left);
    c->dropped += n - take;
    c->taken += take;
    c->total += take;
    if (take > 0)
        c->last = ((const char *)p)[take - 1];
    return take;
}

size_t sa_log_cut_end(struct sa_log_cut *c, char line[SA_LOG_CUT_LINE])
{
    if (c->dropped == 0)
        return 0;
    int n = snprintf(line, SA_LOG_CUT_LINE,
                     "%s[scale-agent: the log is cut here, after %" PRIu64 " bytes]\n",
                     c->last == '\n' ? "" : "\n", c->taken);
    return n > 0 ? (size_t)n : 0;
}
