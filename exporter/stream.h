/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The open status pages: each is an answer without end, of server-sent events (WHATWG HTML, 9.2):
 *
 *     agent   the head of the page, as JSON (sa_rows_agent); when it changed
 *     all     every row of the table; first, and when the accounts are other ones
 *     some    the rows that changed
 *     tick    each time: a second has passed
 *
 * A reader that does not keep up misses changes, and gets `all` once it has read what there is.
 */
#ifndef SA_EXPORTER_STREAM_H
#define SA_EXPORTER_STREAM_H

#include <stdbool.h>

#include <cjson/cJSON.h>
#include <microhttpd.h>

struct sa_streams;

struct sa_streams *sa_streams_new(void); /* NULL for lack of memory */
/* Makes the connections end; MHD frees what is left of each when it has. */
void sa_streams_free(struct sa_streams *s);
bool sa_streams_any(const struct sa_streams *s);
/* Answers the connection's request by a stream. */
enum MHD_Result sa_streams_add(struct sa_streams *s, struct MHD_Connection *c);
/* A status for all of them; NULL: none came, and they hear nothing. */
void sa_streams_status(struct sa_streams *s, const cJSON *status);

#endif
