/* SPDX-License-Identifier: Apache-2.0 */
/* Label selectors as k8s.io/apimachinery/pkg/labels parses them ("a=b,c!=d,e in (x, y),f notin
 * (z),g,!h,i>1"), with its words for what is wrong with one. */
#ifndef SA_WORKER_OPS_SELECTOR_H
#define SA_WORKER_OPS_SELECTOR_H

#include <stddef.h>

#include "base/err.h"

/* Of a label there is; longer ones can't be (a prefix of 253, a slash, a name of 63). */
#define SA_SELECTOR_LABEL 320u

/* The value of the label key[0, n) into out. False: there is no such label. */
typedef bool sa_selector_label(void *arg, const char *key, size_t n, char out[SA_SELECTOR_LABEL]);

/* Do the labels match? 1 yes, 0 no, -1 with *err (SA_EREFUSED, as labels.Parse says it): the
 * selector is malformed. "" matches all. */
int sa_selector_matches(const char *selector, sa_selector_label *label, void *arg,
                        struct sa_err **err);

#endif
