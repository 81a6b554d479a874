/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The config reader's process. It may read files as the supervisor may, until it has given up its
 * privileges; it may parse only after that. It never has a network connection, and answers once.
 */
#include "config/reader.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/process.h"
#include "base/sandbox.h"
#include "config/answer.h"
#include "config/json.h"
#include "config/secret_ref.h"

#define MAX_CREDENTIAL ((size_t)16 << 20) /* of one credential file */
#define MAX_MEMORY     ((uint64_t)1 << 30)

static int no_memory(struct sa_err **err)
{
    return sa_err_set(err, SA_EMEMORY, "no memory for the config reader's answer");
}

static int add_file(struct sa_config_answer *a, const char *path, const char *bytes, size_t n,
                    const uint8_t key[32])
{
    struct sa_file_ref *bigger = reallocarray(a->files, a->n_files + 1, sizeof *bigger);
    if (bigger == NULL)
        return -1;
    a->files = bigger;
    struct sa_file_ref *f = &bigger[a->n_files];
    *f = (struct sa_file_ref){.path = strdup(path)};
    if (f->path == NULL)
        return -1;
    if (bytes != NULL)
        sa_fingerprint(key, bytes, n, f->fingerprint);
    a->n_files++;
    return 0;
}

/* Credential files of workers: only whether they changed is of interest. */
static int add_extra_files(struct sa_config_answer *a, const char *const *files, size_t n,
                           const uint8_t key[32], struct sa_err **err)
{
    for (size_t i = 0; i < n; i++) {
        char *bytes = NULL;
        size_t length = 0;
        (void)sa_file_read(files[i], MAX_CREDENTIAL, &bytes, &length,
                           NULL); /* unreadable: all zero */
        int r = add_file(a, files[i], bytes, length, key);
        if (bytes != NULL)
            explicit_bzero(bytes, length);
        free(bytes);
        if (r != 0)
            return no_memory(err);
    }
    return 0;
}

/* Over the effective settings, so that comments and formatting do not count. The delay of the start
 * does not either: it depends on the accounts before this one. */
static int fingerprint_account(const struct sa_account *a, const uint8_t key[32],
                               struct sa_account_ref *ref, struct sa_err **err)
{
    SA_CLEANUP(sa_freep) char *json = NULL;
    struct sa_account still = *a;
    still.start_delay_ms = 0;
    if (sa_account_to_json(&still, &json, err) != 0)
        return -1;
    sa_fingerprint(key, json, strlen(json), ref->fingerprint);
    return 0;
}

static int add_accounts(const struct sa_loaded *l, const uint8_t key[32],
                        struct sa_config_answer *out, struct sa_err **err)
{
    const struct sa_settings *s = &l->wide.settings;
    out->accounts = calloc(s->n_accounts + 1, sizeof *out->accounts);
    if (out->accounts == NULL)
        return no_memory(err);
    for (size_t i = 0; i < s->n_accounts; i++) {
        const struct sa_account *a = &s->accounts[i];
        struct sa_account_ref *ref = &out->accounts[out->n_accounts++];
        ref->name = strdup(a->name);
        ref->file = strdup(l->accounts[i].node->name);
        ref->helper =
            a->allow_exec || (a->kubeconfig_file != NULL && sa_secret_ref_is(a->kubeconfig_file));
        if (ref->name == NULL || ref->file == NULL)
            return no_memory(err);
        if (sa_account_to_json(a, &ref->json, err) != 0 ||
            fingerprint_account(a, key, ref, err) != 0)
            return -1;
    }
    return 0;
}

static int fingerprint_settings(const struct sa_settings *s, const uint8_t key[32], uint8_t out[32],
                                struct sa_err **err)
{
    struct sa_buf secret;
    sa_buf_init(&secret, 0);
    int r = sa_settings_to_secret_json(s, &secret, err);
    if (r == 0)
        sa_fingerprint(key, secret.data, secret.len, out);
    sa_buf_wipe(&secret);
    sa_buf_free(&secret);
    return r;
}

/* Takes out of a shallow copy what is the supervisor's or the exporter's business alone: a change
 * of it is no reason to restart the uplink. */
static void leave_uplinks_own(struct sa_settings *s)
{
    s->user = s->control_group = s->log_file = s->log_level = NULL;
    s->server_host = s->prometheus_host = s->server_token_sha256 = NULL;
    s->uid_range_first = s->uid_range_count = 0;
    s->restart_base_ms = s->restart_max_ms = s->restart_healthy_s = 0;
    s->restart_intensity = s->restart_period_s = s->failed_retry_s = s->heartbeat_timeout_s = 0;
    s->worker_memory_bytes = s->exec_concurrency = s->rescan_s = s->start_concurrency = 0;
    s->log_json = s->log_multi = s->log_local_time = s->log_compress = false;
    s->log_max_size_mb = s->log_max_age_days = s->log_max_backups = 0;
    s->n_log_fields = 0;
    s->prometheus_enabled = false;
    s->prometheus_port = s->server_port = 0;
}

static int add_settings(const struct sa_loaded *l, const uint8_t key[32],
                        struct sa_config_answer *out, struct sa_err **err)
{
    struct sa_settings uplinks = l->wide.settings;
    leave_uplinks_own(&uplinks);
    if (fingerprint_settings(&l->wide.settings, key, out->settings_fingerprint, err) != 0 ||
        fingerprint_settings(&uplinks, key, out->uplink_fingerprint, err) != 0)
        return -1;
    return sa_settings_to_json(&l->wide.settings, &out->settings_json, err);
}

int sa_config_answer_make(const struct sa_sources *sources, const uint8_t key[32],
                          struct sa_config_answer *out, struct sa_err **err)
{
    struct sa_loaded loaded;
    struct sa_problem_list problems = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *why = NULL;
    for (size_t i = 0; i < sources->n; i++) {
        if (add_file(out, sources->v[i].path, sources->v[i].bytes, sources->v[i].n, key) != 0)
            return no_memory(err);
    }
    int r = sa_load(sources, &loaded, &problems, &why);
    out->problems = problems.p;
    if (r != 0 && !problems.errors)
        return sa_err_set(err, why == NULL ? SA_EINTERNAL : why->code, "%s", sa_err_msg(why));
    if (r != 0)
        return 0;
    r = add_settings(&loaded, key, out, err);
    if (r == 0)
        r = add_accounts(&loaded, key, out, err);
    out->valid = r == 0;
    sa_loaded_free(&loaded);
    return r;
}

static int write_all(int fd, const char *p, size_t n, struct sa_err **err)
{
    while (n > 0) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w < 0)
            return sa_err_sys(err, errno, "writing the config reader's answer");
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static int send_answer(const struct sa_config_answer *a, int fd, struct sa_err **err)
{
    struct sa_buf b;
    sa_buf_init(&b, (size_t)64 << 20);
    int r = sa_config_answer_encode(a, &b, err);
    if (r == 0)
        r = write_all(fd, b.data, b.len, err);
    sa_buf_free(&b);
    return r;
}

/* In place of an answer that could not be made. */
static int send_failure(const struct sa_err *why, int fd)
{
    struct sa_problem p = {.file = (char[]){"configuration"},
                           .text = why == NULL ? NULL : why->msg};
    const struct sa_config_answer a = {.problems = {&p, 1}};
    return send_answer(&a, fd, NULL);
}

static int confine(uid_t uid, gid_t gid, struct sa_err **err)
{
    const struct sa_sandbox sandbox = {
        .profile = SA_SANDBOX_READER, .uid = uid, .gid = gid, .max_memory = MAX_MEMORY};
    struct sa_sandbox_report report = {0};
    if (sa_sandbox_enter(&sandbox, &report, err) != 0)
        return -1;
    return sa_sandbox_seal(&sandbox, &report, err);
}

int sa_config_reader_child(const struct sa_config_paths *paths, const char *const *extra_files,
                           size_t n_extra, const uint8_t fingerprint_key[32], uid_t uid, gid_t gid,
                           int out_fd)
{
    struct sa_sources sources = {0};
    struct sa_config_answer answer = {0};
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    sa_title_set("config reader");
    sa_close_others(&out_fd, 1);
    int r = sa_sources_read(paths, &sources, &err);
    if (r == 0)
        r = add_extra_files(&answer, extra_files, n_extra, fingerprint_key, &err);
    /* From here on nothing can be opened any more. */
    if (r == 0)
        r = confine(uid, gid, &err);
    if (r == 0)
        r = sa_config_answer_make(&sources, fingerprint_key, &answer, &err);
    if (r == 0)
        r = send_answer(&answer, out_fd, &err);
    else
        r = send_failure(err, out_fd) == 0 ? 1 : 2;
    sa_config_answer_free(&answer);
    sa_sources_free(&sources);
    return r == 0 ? 0 : 1;
}
