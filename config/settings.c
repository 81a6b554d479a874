/* SPDX-License-Identifier: Apache-2.0 */
/* Settings as structs: defaults and release, by the table of keys. */
#include <stdlib.h>

#include "config/load.h"

int sa_wide_preset(struct sa_wide *w, struct sa_err **err)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (k->home == SA_HOME_WIDE && sa_value_preset(k, sa_key_field(k, w), err) != 0)
            return -1;
    }
    return 0;
}

void sa_account_free(struct sa_account *a)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        const struct sa_key *k = &sa_keys[i];
        if (k->home == SA_HOME_ACCOUNT)
            sa_value_free(k, sa_key_field(k, a));
        else if (sa_key_in_common(k))
            sa_value_free(k, (char *)a + (k->offset - offsetof(struct sa_wide, common)));
    }
    *a = (struct sa_account){0};
}

void sa_settings_free(struct sa_settings *s)
{
    for (size_t i = 0; i < sa_n_keys; i++) {
        if (sa_key_in_settings(&sa_keys[i])) /* settings are the first member of struct sa_wide */
            sa_value_free(&sa_keys[i], (char *)s + sa_keys[i].offset);
    }
    for (size_t i = 0; i < s->n_accounts; i++)
        sa_account_free(&s->accounts[i]);
    free(s->accounts);
    *s = (struct sa_settings){0};
}

_Static_assert(offsetof(struct sa_wide, settings) == 0, "offsets serve both structs");

void sa_wide_free(struct sa_wide *w)
{
    sa_settings_free(&w->settings);
    sa_account_free(&w->common);
}
