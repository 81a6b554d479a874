/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a valid configuration in force: only what changed is touched. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/diff.h"
#include "supervisor/reload.h"
#include "supervisor/root.h"
#include "supervisor/service.h"
#include "supervisor/settings.h"

struct applying {
    struct sa_supervisor *sup;
    const struct sa_file_ref *files; /* sorted */
    size_t n_files;
    struct sa_reload_result *result;
};

static bool credentials_changed(const struct applying *ap, struct sa_proc *p)
{
    bool differ = sa_files_differ(p->files, p->n_files, ap->files, ap->n_files);

    sa_files_adopt(p->files, p->n_files, ap->files, ap->n_files);
    return differ;
}

static void keep_account(struct applying *ap, struct sa_acct *a)
{
    bool worker = credentials_changed(ap, &a->worker);
    bool helper = credentials_changed(ap, &a->helper);

    if (!worker && !helper)
        return;
    sa_log(SA_INFO, "account %s: its credential files changed, it is restarted", a->ref.name);
    ap->result->credentials++;
    sa_acct_restart(a);
}

static void on_change(void *arg, enum sa_change change, struct sa_account_ref *was,
                      struct sa_account_ref *is)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct applying *ap = arg;
    struct sa_acct *a = was ? sa_acct_find(ap->sup, was->name) : NULL;

    if (!a && change != SA_CHANGE_ADDED)
        return;
    switch (change) {
    case SA_CHANGE_ADDED:
        if (ap->sup->configured)
            sa_log(SA_INFO, "account %s was added", is->name);
        ap->result->added++;
        if (sa_acct_add(ap->sup, is, !ap->sup->configured, &err) < 0)
            sa_log(SA_ERROR, "account not added: %s", sa_err_msg(err));
        break;
    case SA_CHANGE_CHANGED:
        sa_log(SA_INFO, "account %s changed, it is restarted", is->name);
        ap->result->changed++;
        sa_acct_change(a, is);
        break;
    case SA_CHANGE_REMOVED:
        ap->result->removed++;
        sa_acct_remove(a);
        break;
    case SA_CHANGE_NONE:
        keep_account(ap, a);
        break;
    }
}

static int apply_accounts(struct applying *ap, struct sa_config_answer *a, struct sa_err **err)
{
    struct sa_supervisor *sup = ap->sup;
    struct sa_account_ref **was = calloc(sup->n_accounts + 1, sizeof(struct sa_account_ref *));
    size_t n = 0;

    if (!was)
        return sa_err_set(err, SA_EMEMORY, "accounts");
    for (size_t i = 0; i < sup->n_accounts; i++)
        if (!sup->accounts[i]->removing)
            was[n++] = &sup->accounts[i]->ref;
    sa_diff_accounts(was, n, a->accounts, a->n_accounts, on_change, ap);
    free(was);
    return 0;
}

/* A file of accounts may be a kubeconfig file, with secrets that the uplink must never have. */
static bool names_accounts(const struct sa_supervisor *sup, const char *path)
{
    for (const char *const *d = sup->opt->paths->account_dirs; *d; d++) {
        size_t n = strlen(*d);

        if (strncmp(path, *d, n) == 0 && path[n] == '/')
            return true;
    }
    return false;
}

/* The configuration files themselves, in their order: what follows the credential files that were
 * asked about. By place, not by name: a worker may name a configuration file as its credential. */
static char **config_files(const struct sa_supervisor *sup, const struct sa_config_answer *a,
                           size_t n_asked, bool accounts)
{
    char **v = calloc(a->n_files + 1, sizeof(*v));

    for (size_t i = n_asked, n = 0; v && i < a->n_files; i++) {
        if (!accounts && names_accounts(sup, a->files[i].path))
            continue;
        v[n] = strdup(a->files[i].path);
        if (v[n])
            n++;
    }
    return v;
}

static void keep_config_files(struct sa_supervisor *sup, const struct sa_config_answer *a,
                              size_t n_asked)
{
    char **all = config_files(sup, a, n_asked, true), **wide = config_files(sup, a, n_asked, false);

    if (!all || !wide) {
        sa_settings_free_list(all);
        sa_settings_free_list(wide);
        return;
    }
    sa_settings_free_list(sup->config_files);
    sa_settings_free_list(sup->wide_files);
    sup->config_files = all;
    sup->wide_files = wide;
}

int sa_apply(struct sa_supervisor *sup, struct sa_config_answer *a, size_t n_asked,
             struct sa_reload_result *result, struct sa_err **err)
{
    struct applying ap = {.sup = sup, .result = result};
    bool first = !sup->configured, uplink = false, exporter = false;
    uint8_t before[sizeof(sup->settings_fingerprint)];
    int rc;

    memcpy(before, sup->settings_fingerprint, sizeof(before));
    keep_config_files(sup, a, n_asked);
    if (sa_settings_take(sup, a, &uplink, &exporter, err) < 0)
        return first ? -1 : sa_err_wrap(err, "agent-wide settings");
    result->settings = memcmp(before, sup->settings_fingerprint, sizeof(before)) != 0;
    sa_files_sort(a->files, a->n_files);
    ap.files = a->files;
    ap.n_files = a->n_files;
    uplink = credentials_changed(&ap, &sup->uplink) || uplink;
    rc = apply_accounts(&ap, a, err);
    if (rc < 0 && first)
        return -1;
    /* The uplink must never take an empty list for the complete one: it would retract all rows. */
    if (first)
        sa_service_start(sup);
    else
        sa_service_reconfigure(sup, uplink, exporter); /* whose settings are taken already */
    sup->configured = true;
    return rc;
}
