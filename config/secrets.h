/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The secrets that configuration files hold (clouddriver.auth.token, the password of the client
 * key) for the one process that may know them, the uplink: its settings come without them. In two
 * steps: the files are read while that is still allowed, and parsed once privileges are gone.
 */
#ifndef SA_CONFIG_SECRETS_H
#define SA_CONFIG_SECRETS_H

#include "base/err.h"
#include "config/settings.h"

struct sa_secret_files;

/* files is NULL-terminated, as the supervisor hands it over. *out is owned by the caller. */
int sa_secret_files_read(const char *const *files, struct sa_secret_files **out,
                         struct sa_err **err);
void sa_secret_files_free(
    struct sa_secret_files *f); /* overwrites what was read; NULL is allowed */
/* Stores the secrets in c, which came by JSON. Other errors in the files count nothing: they were
 * valid when the supervisor took them, and are reported by the config reader if they are not any
 * more. */
int sa_secret_files_apply(const struct sa_secret_files *f, struct sa_clouddriver *c,
                          struct sa_err **err);

#endif
