/* SPDX-License-Identifier: Apache-2.0 */
/* Values as JSON, for settings_json.c and what prints configuration. */
#ifndef SA_CONFIG_JSON_H
#define SA_CONFIG_JSON_H

#include "base/buf.h"
#include "config/keys.h"

/* Appends the value of a field; "null" where a string is not set. */
void sa_value_to_json(const struct sa_key *k, const void *field, struct sa_buf *out);

/* One JSON object of everything, with the secrets, to be fingerprinted and wiped. */
int sa_settings_to_secret_json(const struct sa_settings *s, struct sa_buf *out,
                               struct sa_err **err);

#endif
