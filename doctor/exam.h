/* SPDX-License-Identifier: Apache-2.0 */
/* An examination under way: what is looked at, and what was found so far. */
#ifndef SA_DOCTOR_EXAM_H
#define SA_DOCTOR_EXAM_H

#include "base/buf.h"
#include "doctor/doctor.h"

struct sa_exam {
    struct sa_findings *out;
    const char *about, *account;
};

/* Each adds a finding. fix may be NULL. */
void sa_exam_ok(struct sa_exam *x, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sa_exam_skip(struct sa_exam *x, const char *check, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
void sa_exam_bad(struct sa_exam *x, enum sa_health h, const char *check, const char *fix,
                 const char *fmt, ...) __attribute__((format(printf, 5, 6)));
/* Of the last one: what to apply. */
void sa_exam_yaml(struct sa_exam *x, const struct sa_buf *yaml);
/* The checks that can't be made after one that failed; names end with NULL. */
void sa_exam_skip_all(struct sa_exam *x, const char *why, const char *const *checks);

/* To another process and back. decode: -1 if the bytes are no findings. */
void sa_findings_encode(const struct sa_findings *f, struct sa_buf *out);
int sa_findings_decode(const void *p, size_t n, struct sa_findings *out);

/* host.c: what is the same for all accounts. */
void sa_exam_host(struct sa_exam *x, const struct sa_doctor_options *o,
                  const struct sa_settings *s);
/* Who a worker and the uplink become; zero where this is not root. */
struct sa_exam_users {
    uid_t worker, uplink;
    gid_t gid;
};
struct sa_exam_users sa_exam_users(const struct sa_settings *s);

/* files.c: can path be read, by whom; kind: "the kubeconfig". False: it can't, and was said. */
bool sa_exam_file(struct sa_exam *x, const char *check, const char *kind, const char *path,
                  bool secret);

/* account.c, clouddriver.c: in a process of their own, which is root at first if the parent is. */
void sa_exam_account(struct sa_exam *x, const struct sa_account *a, const struct sa_exam_users *u);
void sa_exam_clouddriver(struct sa_exam *x, const struct sa_settings *s,
                         const struct sa_exam_users *u);

#endif
