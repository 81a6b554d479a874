/* SPDX-License-Identifier: Apache-2.0 */
/* The gRPC sink with one account, and the peer of tests/rig/peer that it streams to. */
#ifndef SA_TESTS_UPLINK_GRPC_FIXTURE_H
#define SA_TESTS_UPLINK_GRPC_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "proto/scale_agent.pb-c.h"
#include "uplink/secrets.h"
#include "uplink/sink.h"
#include "uplink/token.h"

/* Says why and ends the program with 77 (skipped) if the peer can't be run here. */
void gx_require_peer(void);

struct gx {
    char dir[64], address[64];
    uint16_t port;
    pid_t peer;
    struct sa_loop *loop;
    struct sa_settings settings; /* pointers into the test's constants */
    struct sa_uplink_secrets secrets;
    struct sa_token_helper token;
    struct sa_sink *sink;
    unsigned ups, downs, replies, press;
    bool high;
    enum sa_code code; /* of the last down */
    char why[512];
    Scaleagent__V1__AccountReply *last; /* reply to the account 1 */
    uint64_t acked, credit;
};
extern struct gx gx;

void gx_set_up(void);
void gx_tear_down(void);
/* Starts the peer with these options, NULL-terminated, on gx.port, and waits until it listens. */
void gx_peer(const char *const *options);
int gx_peer_end(int sig); /* its wait status */
void gx_open(void);       /* the sink, by gx.settings, with the account "a" */
void gx_close(unsigned ms);
/* Turns the loop until *counter is at least want, for 10 s at most. */
void gx_wait(const unsigned *counter, unsigned want);
void gx_wait_acked(uint64_t sequence);
void gx_turn(unsigned ms);
struct fx;
int gx_say(struct fx m, struct sa_err **err); /* takes m over */
/* Opens the account, names the scope pods (1), returns the epoch. */
uint64_t gx_account(void);
/* Whether the file that the peer dumped holds the text. */
bool gx_file_has(const char *name, const char *text);

#endif
