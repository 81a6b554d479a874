/* SPDX-License-Identifier: Apache-2.0 */
/* The messages that every child may send. They are foreign bytes: each is bounded, and a malformed
 * one ends the child. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/log.h"
#include "supervisor/proc.h"
#include "supervisor/root.h"

#define LOG_TEXT   4096u
#define LOG_FIELDS 16u
#define LOG_VALUE  1024u
#define FILES_MAX  64u
/* Log records that a child may have written: this many at once, and one more each LOG_COST_NS. */
#define LOG_BURST   500u
#define LOG_COST_NS (10 * SA_NS_PER_MS)

/* Copies a byte string into out, cut to fit; line ends and other controls become spaces, so that no
 * child can forge a line. */
static void take_text(struct sa_rd *rd, char *out, size_t max)
{
    size_t n;
    const uint8_t *p = sa_rd_bytes(rd, &n);

    if (n > max - 1)
        n = max - 1;
    if (n > 0)
        memcpy(out, p, n);
    out[n] = '\0';
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)out[i] < 0x20 || out[i] == 0x7f)
            out[i] = ' ';
}

/* A flood from one child must not drown the others' records. */
static bool may_log(struct sa_proc *p)
{
    uint64_t now = sa_mono_ns(), allowance = LOG_BURST * LOG_COST_NS;

    if (p->log_tokens_ns + allowance < now)
        p->log_tokens_ns = now - allowance;
    if (p->log_tokens_ns >= now) {
        p->log_dropped++;
        return false;
    }
    p->log_tokens_ns += LOG_COST_NS;
    if (p->log_dropped > 0) {
        sa_log(SA_WARN, "%llu log records of %s %s were dropped: too many at once",
               (unsigned long long)p->log_dropped, sa_role_name(p->role),
               p->account ? p->account : "");
        p->log_dropped = 0;
    }
    return true;
}

struct record_text {
    char msg[LOG_TEXT];
    char key[LOG_FIELDS][64];
    char value[LOG_FIELDS][LOG_VALUE];
    struct sa_field fields[LOG_FIELDS];
};

static int read_record(struct sa_rd *rd, struct record_text *t, struct sa_record *rec)
{
    uint8_t level = sa_rd_u8(rd);

    take_text(rd, t->msg, sizeof(t->msg));
    rec->n_fields = sa_rd_u32(rd);
    if (rec->n_fields > LOG_FIELDS || level > SA_TRACE)
        return -1;
    for (size_t i = 0; i < rec->n_fields; i++) {
        take_text(rd, t->key[i], sizeof(t->key[i]));
        take_text(rd, t->value[i], sizeof(t->value[i]));
        t->fields[i] = (struct sa_field){t->key[i], t->value[i]};
    }
    rec->level = (enum sa_level)level;
    rec->msg = t->msg;
    rec->fields = t->fields;
    return sa_rd_done(rd) ? 0 : -1;
}

static int on_log(struct sa_proc *p, struct sa_rd *rd)
{
    struct sa_record rec = {.role = sa_role_name(p->role), .account = p->account};
    struct record_text *t = malloc(sizeof(*t));
    int rc;

    if (!t)
        return 0;
    rc = read_record(rd, t, &rec);
    if (rc == 0 && rec.level <= sa_log_get_level() && may_log(p))
        sa_log_write(&rec);
    free(t);
    return rc;
}

/* Once in a process's life: it is not counted with the log records, which it would get round. */
static int on_fatal(struct sa_proc *p, struct sa_rd *rd)
{
    uint32_t code = sa_rd_u32(rd);
    char text[SA_SLOT_TEXT];

    take_text(rd, text, sizeof(text));
    if (!sa_rd_done(rd) || p->fatal_said)
        return -1;
    p->fatal_said = true;
    sa_proc_set_error(p, text);
    sa_log(SA_ERROR, "%s%s%s: %s (%s)", sa_role_name(p->role), p->account ? " of account " : "",
           p->account ? p->account : "", text, sa_code_name((enum sa_code)code));
    return 0;
}

static int add_file(struct sa_proc *p, const char *path, const uint8_t *fingerprint)
{
    struct sa_file_ref *v;

    if (p->n_files >= FILES_MAX)
        return -1;
    v = realloc(p->files, (p->n_files + 1) * sizeof(*v));
    if (!v)
        return 0;
    p->files = v;
    v[p->n_files].path = strdup(path);
    if (!v[p->n_files].path)
        return 0;
    memcpy(v[p->n_files].fingerprint, fingerprint, SA_FINGERPRINT_SIZE);
    p->n_files++;
    return 0;
}

/* The credential files that the child was made from. They are watched like configuration, but those
 * whose changes the child follows itself. The config reader opens them with all rights, so they are
 * taken once and only from a child that sets itself up: not from one that foreign bytes have got
 * hold of later. */
static int on_files(struct sa_proc *p, struct sa_rd *rd)
{
    uint32_t n = sa_rd_u32(rd);
    char path[4096];

    if (n > FILES_MAX || p->ready_ns != 0 || p->files_fresh)
        return -1;
    p->files_fresh = true;
    sa_proc_files_free(p);
    for (uint32_t i = 0; i < n; i++) {
        uint8_t fingerprint[SA_FINGERPRINT_SIZE];

        sa_rd_str(rd, path, sizeof(path));
        for (size_t k = 0; k < sizeof(fingerprint); k++)
            fingerprint[k] = sa_rd_u8(rd);
        if (sa_rd_u8(rd) != 0 || rd->failed)
            continue;
        if (path[0] != '/' || add_file(p, path, fingerprint) < 0)
            return -1;
    }
    if (!sa_rd_done(rd))
        return -1;
    sa_sup_files_reported(p->sup);
    return 0;
}

static int on_ready(struct sa_proc *p, struct sa_rd *rd)
{
    if (!sa_rd_done(rd))
        return -1;
    if (p->state != SA_PROC_STARTING)
        return 0;
    p->state = SA_PROC_RUNNING;
    p->ready_ns = sa_mono_ns();
    if (p->ops->ready)
        p->ops->ready(p);
    return 0;
}

int sa_proc_message(void *arg, uint8_t type, struct sa_rd *body)
{
    struct sa_proc *p = arg;
    int rc;

    switch (type) {
    case SA_CTL_LOG:
        rc = on_log(p, body);
        break;
    case SA_CTL_FATAL:
        rc = on_fatal(p, body);
        break;
    case SA_CTL_READY:
        rc = on_ready(p, body);
        break;
    case SA_CTL_FILES:
        rc = on_files(p, body);
        break;
    default:
        rc = p->ops->message(p, type, body);
        break;
    }
    if (rc < 0)
        sa_proc_kill(p, SA_END_PROTOCOL, "sent a malformed message (%s), killed",
                     sa_ctl_name(type));
    return rc;
}
