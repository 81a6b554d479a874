/* SPDX-License-Identifier: Apache-2.0 */
/* What changed between two configurations. Pure. */
#ifndef SA_SUPERVISOR_DIFF_H
#define SA_SUPERVISOR_DIFF_H

#include <stdbool.h>
#include <stddef.h>

#include "config/reader.h"

enum sa_change { SA_CHANGE_NONE, SA_CHANGE_ADDED, SA_CHANGE_CHANGED, SA_CHANGE_REMOVED };

/* Called for each account: was is NULL for an added one, is for a removed one. Both may be taken
 * apart by the callee. */
typedef void sa_diff_cb(void *arg, enum sa_change change, struct sa_account_ref *was,
                        struct sa_account_ref *is);

/* Compares by name and fingerprint; both lists are sorted by name by this call (pointers in was,
 * the structs in is). Removals are reported before additions. */
void sa_diff_accounts(struct sa_account_ref **was, size_t n_was, struct sa_account_ref *is,
                      size_t n_is, sa_diff_cb *cb, void *arg);

/* Sorts files by path, for the look-ups below. */
void sa_files_sort(struct sa_file_ref *v, size_t n);
/* Is some file of known[] different in now[] (sorted)? A file that can't be read now, or that
 * nobody looked at, is no difference: what was made from it still works, and it may come back as it
 * was. */
bool sa_files_differ(const struct sa_file_ref *known, size_t n_known, const struct sa_file_ref *now,
                     size_t n_now);
/* Takes the fingerprints of now[] over into known[], so that they no longer differ. */
void sa_files_adopt(struct sa_file_ref *known, size_t n_known, const struct sa_file_ref *now,
                    size_t n_now);

#endif
