/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The token helper: a small process that the uplink forks before its sandbox, since running a
 * command is denied to the uplink itself. It runs clouddriver.auth.tokenCommand when it is asked
 * to, under the uplink's uid, and hands the token back. It ends when the uplink does.
 */
#ifndef SA_UPLINK_TOKEN_H
#define SA_UPLINK_TOKEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "config/settings.h"
#include "ipc/child.h"

#define SA_TOKEN_MAX     16384u /* bytes */
#define SA_TOKEN_TIMEOUT 30u    /* seconds that the command may take */

struct sa_token_helper {
    int fd;    /* SOCK_SEQPACKET; 0: not running */
    bool lost; /* it has ended: no answer comes any more */
};

/* To be called before any thread is made and before root is given up. */
int sa_token_helper_start(struct sa_token_helper *h, const struct sa_settings *s,
                          const struct sa_child_args *args, struct sa_err **err);
void sa_token_helper_stop(struct sa_token_helper *h);

/* Asks for a token; the answer can be read when the descriptor is readable. */
int sa_token_ask(struct sa_token_helper *h, struct sa_err **err);
/* Reads the answer. The token is owned by the caller, who wipes it. */
int sa_token_answer(struct sa_token_helper *h, char **token, struct sa_err **err);

/* What the command printed, by clouddriver.auth.tokenCommand.format ("json" or "raw"), made a
 * token. The error never quotes it. */
int sa_token_parse(const char *format, const char *text, size_t n, char **token,
                   struct sa_err **err);

#endif
