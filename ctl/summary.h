/* SPDX-License-Identifier: Apache-2.0 */
/* What a table says of an object: a word on its state, and for `wide` where it runs and what it is.
 */
#ifndef SA_CTL_SUMMARY_H
#define SA_CTL_SUMMARY_H

#include "ctl/cli.h"

struct sa_summary {
    char status[64];  /* "Running", "2/3", "ClusterIP"; "-" where there is nothing to say */
    char age[32];     /* since metadata.creationTimestamp */
    char detail[160]; /* images, address */
};
/* object may be NULL (not JSON): everything is "-". now is in seconds since the epoch. */
void sa_summarise(const cJSON *object, double now, struct sa_summary *out);

#endif
