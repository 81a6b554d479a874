/* SPDX-License-Identifier: Apache-2.0 */
/* Which files check and support-dump look at. */
#ifndef SA_CTL_CHECK_H
#define SA_CTL_CHECK_H

#include "config/reader.h"
#include "ctl/cli.h"

#define SA_CHECK_PATHS 64

struct sa_check_paths {
    const char *files[SA_CHECK_PATHS + 1], *drop_ins[SA_CHECK_PATHS + 1],
        *accounts[SA_CHECK_PATHS + 1];
    char *owned[3 * SA_CHECK_PATHS];
    size_t n_files, n_drop_ins, n_accounts, n_owned;
    struct sa_config_paths paths;
};
/*
 * The arguments: a file is a main file; a directory is either one like /etc/scale-agent (with
 * scale-agent.yml, scale-agent.d or accounts.d in it) or one of accounts. Without arguments: the
 * stock places. The error is one of the command line.
 */
int sa_check_find(const struct sa_cli *c, struct sa_check_paths *out, struct sa_err **err);
void sa_check_free(struct sa_check_paths *p);

#endif
