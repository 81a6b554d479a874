/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A kubeconfig that is sealed for this host (base/seal.h) is opened while its key may be read. The
 * file's author is not trusted, and a process with rights reads it here: base64, and a box whose
 * authenticity is checked before a byte of it is used. The YAML in it goes the way of any other.
 */
#include "base/seal.h"
#include "worker/credential_internal.h"

static int open_sealed(const struct sa_credential *c, const struct sa_secret *sealed,
                       struct sa_secret *plain, struct sa_err **err)
{
    SA_CLEANUP(sa_secret_free) struct sa_secret key = {0};
    if (sa_credential_load_private(c->seal_key_file, &key, err) != 0)
        return sa_err_wrap(err, "it is sealed, and the key of this host (secrets.sealKeyFile) "
                                "can't be read; scale-agentctl seal --init makes one");
    if (sa_secret_new(plain, sealed->n) != 0)
        return sa_err_set(err, SA_EMEMORY, "credential");
    return sa_seal_open(key.p, key.n, sealed->p, sealed->n, plain->p, &plain->n, err);
}

int sa_credential_unseal(struct sa_credential *c, struct sa_err **err)
{
    struct sa_secret *sealed = &c->content[SA_PART_KUBECONFIG];
    SA_CLEANUP(sa_secret_free) struct sa_secret plain = {0};
    int rc;
    if (!sa_seal_is(sealed->p, sealed->n))
        return 0;
    if (c->fetched)
        rc = sa_err_set(err, SA_ECONFIG,
                        "it is sealed; in a store of secrets it must be as kubectl reads it");
    else if (c->seal_key_file == NULL)
        rc = sa_err_set(err, SA_ECONFIG, "it is sealed, and secrets.sealKeyFile is not set");
    else
        rc = open_sealed(c, sealed, &plain, err);
    if (rc != 0)
        return sa_err_wrap(err, "%s", c->kubeconfig_file);
    plain.p[plain.n] = '\0';
    sa_secret_free(sealed);
    *sealed = plain;
    plain = (struct sa_secret){0};
    return 0;
}
