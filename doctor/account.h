/* SPDX-License-Identifier: Apache-2.0 */
/* One account under examination, in a process of its own. */
#ifndef SA_DOCTOR_ACCOUNT_H
#define SA_DOCTOR_ACCOUNT_H

#include "doctor/ask.h"
#include "doctor/exam.h"
#include "doctor/route.h"
#include "worker/credential_internal.h"
#include "worker/exec_run.h"

struct sa_patient {
    struct sa_exam *x;
    const struct sa_account *account;
    struct sa_loop *loop;
    struct sa_credential *cred;
    struct sa_asker asker;
    char user[256]; /* whom the API server takes us for; "" unknown */
    /* plugin.c */
    int plugin_fd; /* our end of the socket to the credential; -1: none */
    struct sa_exec_run *run;
    char *info;
};

/* plugin.c: runs the exec plugin when the credential asks for it. Returns the credential's end of
 * the socket. */
int sa_patient_plugin(struct sa_patient *p, struct sa_err **err);
/* After sa_credential_parse(): the finding. False: there is no credential. */
bool sa_exam_plugin(struct sa_patient *p);
void sa_patient_plugin_end(struct sa_patient *p);

/* server.c: what answers there, and whether it knows us. False: no question makes sense. */
bool sa_exam_server(struct sa_patient *p, const struct sa_route *r, const struct sa_route_tls *tls);

/* access.c: what is there, and what we may do with it. */
void sa_exam_access(struct sa_patient *p);

#endif
