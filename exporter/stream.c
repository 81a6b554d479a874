/* SPDX-License-Identifier: Apache-2.0 */
#include "exporter/stream.h"

#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"
#include "exporter/rows.h"

#define BLOCK    (16u * 1024u)
#define TEXT_MAX ((size_t)16 << 20)  /* of all rows */
#define WAIT_MAX ((size_t)256 << 10) /* what a reader may leave unread and still get changes */

struct stream {
    struct stream *next;
    struct sa_streams *owner; /* NULL: that is gone */
    struct MHD_Connection *connection;
    struct sa_buf out;
    size_t read;    /* of out */
    bool suspended; /* nothing to read */
    bool whole;     /* gets all rows next */
    bool over;
};

struct sa_streams {
    struct stream *first;
    struct sa_rows rows;
    struct sa_buf agent; /* as it was said last */
};

struct sa_streams *sa_streams_new(void)
{
    struct sa_streams *s = calloc(1, sizeof(*s));

    if (s)
        sa_buf_init(&s->agent, TEXT_MAX);
    return s;
}

static void resume(struct stream *t)
{
    if (!t->suspended)
        return;
    t->suspended = false;
    MHD_resume_connection(t->connection);
}

void sa_streams_free(struct sa_streams *s)
{
    if (!s)
        return;
    for (struct stream *t = s->first; t; t = t->next) {
        t->owner = NULL;
        t->over = true;
        resume(t);
    }
    sa_rows_free(&s->rows);
    sa_buf_free(&s->agent);
    free(s);
}

bool sa_streams_any(const struct sa_streams *s)
{
    return s->first != NULL;
}

/* MHD asks for more to send. */
static ssize_t on_read(void *arg, uint64_t pos, char *out, size_t max)
{
    struct stream *t = arg;
    size_t n = t->out.len - t->read;

    (void)pos;
    if (t->over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (n == 0) {
        sa_buf_reset(&t->out);
        t->read = 0;
        t->suspended = true;
        MHD_suspend_connection(t->connection);
        return 0;
    }
    n = n < max ? n : max;
    memcpy(out, t->out.data + t->read, n);
    t->read += n;
    return (ssize_t)n;
}

static void on_end(void *arg)
{
    struct stream *t = arg;

    if (t->owner)
        for (struct stream **p = &t->owner->first; *p; p = &(*p)->next) {
            if (*p == t) {
                *p = t->next;
                break;
            }
        }
    sa_buf_free(&t->out);
    free(t);
}

enum MHD_Result sa_streams_add(struct sa_streams *s, struct MHD_Connection *c)
{
    struct stream *t = calloc(1, sizeof(*t));
    struct MHD_Response *r;
    enum MHD_Result rc;

    if (!t)
        return MHD_NO;
    r = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, on_read, t, on_end);
    if (!r) {
        free(t);
        return MHD_NO;
    }
    sa_buf_init(&t->out, 2 * TEXT_MAX);
    t->connection = c;
    t->whole = true;
    t->owner = s;
    t->next = s->first;
    s->first = t;
    MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/event-stream");
    MHD_add_response_header(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(r, "X-Accel-Buffering", "no");
    rc = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return rc;
}

/* JSON has no line end, so each event is one line of data. */
static void say(struct stream *t, const char *event, const struct sa_buf *data)
{
    sa_buf_addf(&t->out, "event: %s\ndata: ", event);
    sa_buf_add(&t->out, data->data ? data->data : "", data->len);
    sa_buf_adds(&t->out, "\n\n");
}

static void say_status(struct stream *t, const struct sa_buf *agent,
                       const struct sa_rows_change *change)
{
    static const struct sa_buf nothing;

    if (t->out.len - t->read > WAIT_MAX) {
        t->whole = true;
        return;
    }
    if (agent || t->whole)
        say(t, "agent", agent ? agent : &t->owner->agent);
    if (change->others || t->whole)
        say(t, "all", &change->all);
    else if (change->some.len)
        say(t, "some", &change->some);
    say(t, "tick", &nothing);
    t->whole = false;
    t->over = t->out.failed; /* an event is cut off: the page comes again */
    resume(t);
}

/* The head of the page, if it is not as it was. */
static bool agent_changed(struct sa_streams *s, const cJSON *status)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf now = {0};

    sa_buf_init(&now, TEXT_MAX);
    sa_rows_agent(status, &now);
    if (now.len == s->agent.len && (now.len == 0 || memcmp(now.data, s->agent.data, now.len) == 0))
        return false;
    sa_buf_reset(&s->agent);
    sa_buf_add(&s->agent, now.data, now.len);
    return true;
}

void sa_streams_status(struct sa_streams *s, const cJSON *status)
{
    struct sa_rows_change change;
    bool agent;

    if (!s->first || !status)
        return;
    sa_rows_change_init(&change, TEXT_MAX);
    agent = agent_changed(s, status);
    if (sa_rows_update(&s->rows, status, &change) == 0)
        for (struct stream *t = s->first; t; t = t->next)
            say_status(t, agent ? &s->agent : NULL, &change);
    sa_rows_change_free(&change);
}
