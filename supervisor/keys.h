/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The keys that bind workers to their accounts at the uplink. They lie in memory that a forked
 * child does not get, so that no worker can find another's key in what it inherited.
 */
#ifndef SA_SUPERVISOR_KEYS_H
#define SA_SUPERVISOR_KEYS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SA_KEY_SIZE 32u

struct sa_keys {
    uint8_t (*v)[SA_KEY_SIZE]; /* by account index; not inherited over fork */
    size_t cap;
};

/* A fresh random key at index (made to fit). */
int sa_keys_renew(struct sa_keys *k, uint32_t index, struct sa_err **err);
const uint8_t *sa_keys_at(const struct sa_keys *k, uint32_t index); /* index was renewed before */
void sa_keys_free(struct sa_keys *k);

#endif
