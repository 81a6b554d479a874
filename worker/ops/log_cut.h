/* SPDX-License-Identifier: Apache-2.0 */
/* Where logs are cut: after so many bytes of a container, if it was asked so, and after
 * SA_LOGS_MAX of all containers together. */
#ifndef SA_WORKER_OPS_LOG_CUT_H
#define SA_WORKER_OPS_LOG_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SA_LOGS_MAX     ((uint64_t)16 << 20) /* bytes of one operation */
#define SA_LOG_CUT_LINE 96u                  /* bytes that the line has at most */

struct sa_log_cut {
    uint64_t total;   /* bytes taken, of all containers */
    uint64_t limit;   /* of this container */
    uint64_t taken;   /* of them */
    uint64_t dropped; /* bytes that came past the limit */
    char last;        /* byte taken */
};

/* A container's log begins. limit_bytes 0: as long as all may be. False: nothing more is taken. */
bool sa_log_cut_begin(struct sa_log_cut *c, uint64_t limit_bytes);
/* How many of the next bytes are taken. Characters stay whole (UTF-8). */
size_t sa_log_cut_take(struct sa_log_cut *c, const void *p, size_t n);
/* The container's log has ended: writes what is to follow, a line that tells of a cut and the line
 * end before it. How many bytes; 0: it was not cut. */
size_t sa_log_cut_end(struct sa_log_cut *c, char line[SA_LOG_CUT_LINE]);

#endif
