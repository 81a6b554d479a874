/* SPDX-License-Identifier: Apache-2.0 */
/* An intake with what it said, and workers played by nng. */
#ifndef SA_UPLINK_INTAKE_RIG_H
#define SA_UPLINK_INTAKE_RIG_H

#include <check.h>

#include "uplink/intake.h"

/* Fresh for each test. */
extern struct intake_rig {
    char dir[64];
    struct sa_loop *loop;
    struct sa_intake *intake;
} rig;

/* What the intake said. */
extern struct intake_seen {
    unsigned bound, gone, messages, forgeries;
    size_t bytes;
    uint32_t pid;
    const void *account;
    int answer;             /* of message() */
    const void *slow;       /* an account whose messages take 2 ms */
    unsigned slow_messages; /* of it */
    unsigned others_after;  /* slow messages before the first one of another account */
} seen;

extern const uint8_t rig_key[32];

void rig_make(void);
void rig_remove(void);
/* Turns the loop until the counter has reached want; fails after 5 s. */
void rig_wait_for(const unsigned *counter, unsigned want);
void rig_turn_for(unsigned ms);
struct sa_link *rig_add(uint32_t index, void *account); /* with rig_key */

/* uplink_intake_guests.c: connections by our own end, well-behaved and not */
TCase *intake_guests(void);

#endif
