/* SPDX-License-Identifier: Apache-2.0 */
/* top: the status again each second, with rates. */
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/cli.h"

#define PERIOD_NS SA_NS_PER_S

static void sleep_until(uint64_t due_ns)
{
    uint64_t now = sa_mono_ns();
    if (due_ns <= now)
        return;
    uint64_t left = due_ns - now;
    const struct timespec t = {(time_t)(left / SA_NS_PER_S), (long)(left % SA_NS_PER_S)};
    nanosleep(&t, NULL); /* a signal ends the program, or the wait a little early */
}

static int paint(const struct sa_cli *c, const cJSON *now, const cJSON *before, double seconds)
{
    struct sa_buf out;
    sa_buf_init(&out, 0);
    if (c->colour)
        sa_buf_adds(&out, "\033[H\033[2J");
    sa_status_head(now, c->colour, &out);
    sa_buf_addc(&out, '\n');
    sa_status_table(now, before, seconds, false, c->colour, &out);
    if (!c->colour)
        sa_buf_addc(&out, '\n'); /* frames one below the other */
    return sa_put(&out);
}

int sa_cmd_top(const struct sa_cli *c)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    cJSON *before = NULL;
    uint64_t then = 0;
    int r = SA_EXIT_OK;
    for (uint64_t i = 0; r == SA_EXIT_OK && (c->count == 0 || i < c->count); i++) {
        cJSON *now;
        if (i > 0)
            sleep_until(then + PERIOD_NS);
        uint64_t at = sa_mono_ns();
        if (sa_cli_status_of(c->socket, &now, &err) != 0) {
            r = sa_cli_fail(err);
            break;
        }
        double seconds = then == 0 ? 1 : (double)(at - then) / (double)SA_NS_PER_S;
        r = c->format == SA_FORMAT_JSON ? sa_cli_print(c, now) : paint(c, now, before, seconds);
        cJSON_Delete(before);
        before = now;
        then = at;
    }
    cJSON_Delete(before);
    return r;
}
