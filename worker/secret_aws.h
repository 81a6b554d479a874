/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Credentials of AWS, from the first of these that has any, in the order of AWS's own tools: the
 * environment, a web identity (EKS), the shared credentials file, a container's endpoint (EKS Pod
 * Identity, ECS), the instance's metadata (IMDSv2). Had anew for each fetch.
 */
#ifndef SA_WORKER_SECRET_AWS_H
#define SA_WORKER_SECRET_AWS_H

#include "worker/secret_internal.h"

struct sa_aws_credentials {
    struct sa_secret id, key, session; /* session may be empty */
};

/* Names of the environment that it looks up, for an engine's own list. */
#define SA_AWS_ENV                                                                                 \
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_ROLE_ARN",             \
        "AWS_ROLE_SESSION_NAME", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_SHARED_CREDENTIALS_FILE",     \
        "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI",                                       \
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN",             \
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_EC2_METADATA_SERVICE_ENDPOINT",             \
        "AWS_EC2_METADATA_DISABLED", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",                    \
        "AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_STS", "AWS_CA_BUNDLE"

/* Before rights are given up: reads the files, and asks for the ports of the rest. */
int sa_aws_open(struct sa_secret_store *s, struct sa_err **err);
int sa_aws_credentials(struct sa_secret_store *s, struct sa_aws_credentials *out,
                       struct sa_err **err);
void sa_aws_credentials_free(struct sa_aws_credentials *c);

/* One profile's keys out of a credentials file (INI). */
int sa_aws_profile(const struct sa_secret *file, const char *profile,
                   struct sa_aws_credentials *out, struct sa_err **err);
/* The answer of AssumeRoleWithWebIdentity (XML). */
int sa_aws_sts_answer(const struct sa_secret *xml, struct sa_aws_credentials *out,
                      struct sa_err **err);

#endif
