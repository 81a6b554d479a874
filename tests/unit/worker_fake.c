/* SPDX-License-Identifier: Apache-2.0 */
#include "worker_fake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct sa_request {
    struct sa_request *next;
    char *path, *accept, *method, *body, *content_type;
    struct sa_request_options opt;
};

static struct sa_request *api_start(void *arg, const struct sa_request_options *opt,
                                    struct sa_err **err)
{
    struct fake *f = arg;
    (void)err;
    struct sa_request *r = calloc(1, sizeof *r), **end = &f->pending;
    r->path = strdup(opt->path);
    r->accept = strdup(opt->accept ? opt->accept : "");
    r->method = strdup(opt->method ? opt->method : "GET");
    r->body = strndup(opt->body_n ? opt->body : "", opt->body_n);
    r->content_type = strdup(opt->content_type ? opt->content_type : "");
    r->opt = *opt;
    while (*end)
        end = &(*end)->next;
    *end = r;
    f->requests++;
    return r;
}

static void request_free(struct sa_request *r)
{
    free(r->path);
    free(r->accept);
    free(r->method);
    free(r->body);
    free(r->content_type);
    free(r);
}

static bool unlink_request(struct fake *f, struct sa_request *r)
{
    for (struct sa_request **p = &f->pending; *p; p = &(*p)->next)
        if (*p == r) {
            *p = r->next;
            return true;
        }
    return false;
}

static void api_cancel(void *arg, struct sa_request *r)
{
    ck_assert(unlink_request(arg, r));
    request_free(r);
}

static void out_send(void *arg, uint32_t events, uint64_t oldest_ns, const void *p, size_t n)
{
    struct fake *f = arg;
    (void)events;
    (void)oldest_ns;
    ck_assert_uint_lt(n, 256 * 1024);
    message *m = scaleagent__v1__account_message__unpack(NULL, n, p);
    ck_assert_ptr_nonnull(m);
    ck_assert_uint_lt(f->n_sent, sizeof f->sent / sizeof *f->sent);
    if (m->body_case == SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS ||
        m->body_case == SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_PAGE) {
        f->bytes_counted += n;
        ck_assert_uint_le(f->bytes_counted, f->w.credit);
    }
    if (m->body_case != SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN)
        ck_assert_uint_eq(m->epoch, f->epoch);
    f->sent[f->n_sent++] = m;
}

static size_t out_queued(void *arg)
{
    return ((struct fake *)arg)->queued;
}

static void out_result(void *arg, const void *p, size_t n)
{
    struct fake *f = arg;
    ck_assert_uint_lt(n, 256 * 1024);
    ck_assert_uint_lt(f->n_results, sizeof f->results / sizeof *f->results);
    Scaleagent__V1__OperationResult *m = scaleagent__v1__operation_result__unpack(NULL, n, p);
    ck_assert_ptr_nonnull(m);
    f->results[f->n_results++] = m;
}

static void add(struct sa_strings *s, const char *v)
{
    ck_assert_int_eq(sa_names_add(s, v), 0);
}

struct fake *fake_new(void)
{
    struct fake *f = calloc(1, sizeof *f);
    struct sa_account *a = &f->w.account;
    sa_hash_init();
    f->retry_after_ms = -1;
    f->w.loop = sa_loop_new(NULL);
    f->w.slot = &f->slot;
    f->w.api = (struct sa_api){api_start, api_cancel, f};
    f->w.out = (struct sa_out){out_send, out_queued, f, out_result};
    a->name = strdup("test");
    add(&a->kinds, "pod");
    a->max_resumable_resource_age_ms = 300000;
    a->audit_interval_s = 3600;
    a->forbidden_evict_s = 600;
    a->budget_per_account = 50;
    a->flush_ms = 10;
    a->reconnect_timeout_ms = 5000;
    a->max_object_bytes = 8 * 1024 * 1024;
    ck_assert_int_eq(sa_worker_init(&f->w, NULL), 0);
    return f;
}

void fake_free(struct fake *f)
{
    sa_worker_clear(&f->w);
    ck_assert_ptr_null(f->pending);
    for (size_t i = 0; i < f->n_sent; i++)
        fake_drop(f->sent[i]);
    for (size_t i = 0; i < f->n_results; i++)
        scaleagent__v1__operation_result__free_unpacked(f->results[i], NULL);
    sa_loop_free(f->w.loop);
    sa_account_free(&f->w.account);
    free(f);
}

void fake_turn(struct fake *f)
{
    f->w.pump = true;
    sa_worker_turn(&f->w);
    ck_assert(!f->w.pump);
}

void fake_skip_waits(struct fake *f)
{
    for (size_t i = 0; i < f->w.n_scopes; i++) {
        struct sa_scope *s = f->w.scopes[i];
        s->list.not_before_ns = s->names.not_before_ns = s->watch.not_before_ns = 0;
        s->compare_after_ns = s->dirty_list_ns = s->gets_ns = 0;
        if (s->dirty)
            sa_dirty_due_now(s->dirty);
    }
    f->w.open_ns = f->w.open_ns ? 1 : 0;
    f->w.reopen_ns = f->w.reopen_ns ? 1 : 0;
    fake_turn(f);
}

struct sa_request *fake_request(struct fake *f, const char *text)
{
    for (struct sa_request *r = f->pending; r; r = r->next)
        if (strstr(r->path, text))
            return r;
    return NULL;
}

unsigned fake_pending(const struct fake *f, const char *text)
{
    unsigned n = 0;
    for (const struct sa_request *r = f->pending; r; r = r->next)
        n += strstr(r->path, text) != NULL;
    return n;
}

struct sa_request *fake_next(struct sa_request *r)
{
    return r->next;
}

const char *fake_path(const struct sa_request *r)
{
    return r->path;
}

uint64_t fake_timeout(const struct sa_request *r)
{
    return r->opt.timeout_ns;
}

const char *fake_method(const struct sa_request *r)
{
    return r->method;
}

const char *fake_body(const struct sa_request *r)
{
    return r->body;
}

const char *fake_content_type(const struct sa_request *r)
{
    return r->content_type;
}

const char *fake_accept(const struct sa_request *r)
{
    return r->accept;
}

static void done(struct fake *f, struct sa_request *r, int status, const char *body,
                 const struct sa_err *error)
{
    struct sa_buf b;
    sa_buf_init(&b, 0);
    if (body)
        sa_buf_adds(&b, body);
    struct sa_response resp = {.status = status,
                               .sent = !f->unsent,
                               .retry_after_ms = f->retry_after_ms,
                               .error = error,
                               .body = &b};
    ck_assert(unlink_request(f, r));
    r->opt.on_done(r->opt.arg, &resp);
    request_free(r);
    sa_buf_free(&b);
    fake_turn(f);
}

void fake_answer(struct fake *f, struct sa_request *r, int status, const char *body)
{
    struct sa_err *err = NULL;
    ck_assert_ptr_nonnull(r);
    if (status == 404 && body && !*body)
        body = "{\"kind\":\"Status\",\"status\":\"Failure\",\"reason\":\"NotFound\",\"code\":404}";
    if (status < 300 && r->opt.on_data && body &&
        r->opt.on_data(r->opt.arg, body, strlen(body), &err))
        done(f, r, status, NULL, err);
    else
        done(f, r, status, body, NULL);
    sa_err_free(&err);
}

void fake_break_with(struct fake *f, struct sa_request *r, int status, enum sa_code code,
                     const char *body)
{
    struct sa_err *err = NULL;
    ck_assert_ptr_nonnull(r);
    sa_err_set(&err, code, "the connection broke");
    done(f, r, status, body, err);
    sa_err_free(&err);
}

void fake_break(struct fake *f, struct sa_request *r)
{
    fake_break_with(f, r, 0, SA_ENETWORK, NULL);
}

void fake_data(struct fake *f, struct sa_request *r, const char *text)
{
    struct sa_err *err = NULL;
    ck_assert_ptr_nonnull(r);
    if (r->opt.on_data(r->opt.arg, text, strlen(text), &err))
        done(f, r, 200, NULL, err);
    else
        fake_turn(f);
    sa_err_free(&err);
}

char *fake_pod(const char *name, int version, const char *x)
{
    char *out = NULL;
    ck_assert_int_gt(
        asprintf(&out,
                 "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"%s\","
                 "\"namespace\":\"default\",\"uid\":\"u-%s\",\"resourceVersion\":\"%d\"},"
                 "\"spec\":{\"x\":\"%s\"}}",
                 name, name, version, x),
        0);
    return out;
}

char *fake_pods(int version, const char *token, const char *items)
{
    struct sa_buf b;
    char *copy = strdup(items), *save = NULL;
    sa_buf_init(&b, 0);
    sa_buf_addf(&b,
                "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":"
                "\"%d\"%s%s%s},\"items\":[",
                version, token ? ",\"continue\":\"" : "", token ? token : "", token ? "\"" : "");
    unsigned n = 0;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
        char *v = strchr(t, ':'), *x = strchr(v + 1, ':');
        *v = *x = '\0';
        char *pod = fake_pod(t, atoi(v + 1), x + 1);
        sa_buf_addf(&b, "%s%s", n++ ? "," : "", pod);
        free(pod);
    }
    sa_buf_adds(&b, "]}");
    free(copy);
    ck_assert(!b.failed);
    return b.data;
}

void fake_event(struct fake *f, const char *type, const char *name, int version, const char *x)
{
    char *pod = fake_pod(name, version, x), *event = NULL;
    ck_assert_int_gt(asprintf(&event, "{\"type\":\"%s\",\"object\":%s}\n", type, pod), 0);
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    free(event);
    free(pod);
}

void fake_bookmark(struct fake *f, int version, bool initial_end)
{
    char *event = NULL;
    ck_assert_int_gt(
        asprintf(&event,
                 "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\","
                 "\"metadata\":{\"resourceVersion\":\"%d\"%s}}}\n",
                 version,
                 initial_end ? ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}" : ""),
        0);
    fake_data(f, fake_request(f, "pods?watch=1"), event);
    free(event);
}

static const char api[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{},\"versions\":[{\"version\":"
    "\"v1\","
    "\"freshness\":\"Current\",\"resources\":["
    "{\"resource\":\"pods\",\"responseKind\":{\"kind\":\"Pod\"},\"scope\":\"Namespaced\","
    "\"singularResource\":\"pod\",\"verbs\":[\"get\",\"list\",\"watch\"],\"shortNames\":[\"po\"]},"
    "{\"resource\":\"namespaces\",\"responseKind\":{\"kind\":\"Namespace\"},\"scope\":\"Cluster\","
    "\"singularResource\":\"namespace\",\"verbs\":[\"get\",\"list\",\"watch\"]}]}]}]}";
static const char apis[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"apps\"},\"versions\":"
    "["
    "{\"version\":\"v1\",\"freshness\":\"Current\",\"resources\":["
    "{\"resource\":\"deployments\",\"responseKind\":{\"kind\":\"Deployment\"},\"scope\":"
    "\"Namespaced\",\"verbs\":[\"list\",\"watch\"]}]}]}]}";

void fake_start(struct fake *f)
{
    sa_worker_start(&f->w);
    fake_turn(f);
    fake_answer(f, fake_request(f, "/version"), 200, "{\"gitVersion\":\"v1.36.3\"}");
    fake_answer(
        f, fake_request(f, "kube-system"), 200,
        "{\"kind\":\"PartialObjectMetadata\",\"metadata\":{\"name\":\"kube-system\",\"uid\":"
        "\"cluster-1\"}}");
    fake_answer(f, fake_request(f, "/api"), 200, api);
    fake_answer(f, fake_request(f, "/apis"), 200, apis);
    ck_assert(f->w.planned);
}

/* ---- the other side ---- */

void fake_reply(struct fake *f, const Scaleagent__V1__AccountReply *r)
{
    size_t n = scaleagent__v1__account_reply__get_packed_size(r);
    uint8_t *p = malloc(n + 1);
    struct sa_err *err = NULL;
    scaleagent__v1__account_reply__pack(r, p);
    ck_assert_msg(sa_session_message(&f->w, SA_DATA_REPLY, p, n, &err) == 0, "%s", sa_err_msg(err));
    free(p);
    fake_turn(f);
}

static Scaleagent__V1__AccountReply new_reply(struct fake *f)
{
    Scaleagent__V1__AccountReply r = SCALEAGENT__V1__ACCOUNT_REPLY__INIT;
    r.epoch = f->epoch;
    return r;
}

void fake_down(struct fake *f)
{
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_DOWN, "", 0, NULL), 0);
    fake_turn(f);
}

void fake_up(struct fake *f)
{
    ck_assert_int_eq(sa_session_message(&f->w, SA_DATA_UP, "", 0, NULL), 0);
    fake_turn(f);
}

void fake_send_welcome(struct fake *f, const struct fake_known *known, uint64_t credit,
                       bool standby)
{
    Scaleagent__V1__Welcome welcome = SCALEAGENT__V1__WELCOME__INIT;
    Scaleagent__V1__KnownScope k = SCALEAGENT__V1__KNOWN_SCOPE__INIT, *list = &k;
    Scaleagent__V1__ScopeName name = SCALEAGENT__V1__SCOPE_NAME__INIT;
    const struct sa_scope pods = {
        .w = &f->w,
        .res = {.group = (char *)"",
                .version = (char *)"v1",
                .plural = (char *)"pods",
                .kind = (char *)"Pod",
                .namespaced = true},
    };
    struct sa_digest fingerprint;
    name.resource = (char *)"pods";
    k.name = &name;
    k.kind = (char *)"Pod";
    k.version = (char *)"v1";
    k.namespaced = true;
    welcome.role =
        standby ? SCALEAGENT__V1__WELCOME__ROLE__STANDBY : SCALEAGENT__V1__WELCOME__ROLE__CACHING;
    welcome.credit = credit;
    if (known) {
        k.resource_version = (char *)known->version;
        k.age_ms = known->age_ms;
        k.count = known->count;
        k.sum = (ProtobufCBinaryData){16, (uint8_t *)known->sum};
        sa_scope_fingerprint(&pods, &fingerprint);
        fingerprint.b[0] ^= known->other_settings;
        if (!known->no_fingerprint)
            k.fingerprint = (ProtobufCBinaryData){sizeof fingerprint.b, fingerprint.b};
        welcome.scopes = &list;
        welcome.n_scopes = 1;
    }
    f->epoch++;
    f->bytes_counted = 0;
    Scaleagent__V1__AccountReply r = new_reply(f);
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WELCOME;
    r.welcome = &welcome;
    fake_reply(f, &r);
}

void fake_welcome(struct fake *f, const struct fake_known *known, uint64_t credit)
{
    fake_up(f);
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_OPEN);
    ck_assert_uint_eq(m->epoch, 0);
    ck_assert_str_eq(m->open->cluster_id, "cluster-1");
    ck_assert_str_eq(m->open->server_version, "v1.36.3");
    fake_drop(m);
    fake_send_welcome(f, known, credit, false);
    fake_drop(fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_SCOPES));
}

message *fake_take(struct fake *f)
{
    if (f->n_sent == 0)
        return NULL;
    message *m = f->sent[0];
    memmove(f->sent, f->sent + 1, --f->n_sent * sizeof(message *));
    return m;
}

void fake_drop(message *m)
{
    scaleagent__v1__account_message__free_unpacked(m, NULL);
}

void fake_none(struct fake *f)
{
    ck_assert_msg(f->n_sent == 0, "a message of body %d was sent",
                  f->n_sent ? (int)f->sent[0]->body_case : 0);
}

message *fake_expect(struct fake *f, int body_case)
{
    message *m = fake_take(f);
    ck_assert_msg(m && (int)m->body_case == body_case, "expected body %d, was %d", body_case,
                  m ? (int)m->body_case : 0);
    return m;
}

void fake_flush(struct fake *f)
{
    sa_batch_flush(&f->w);
}

void fake_expect_deltas(struct fake *f, const char *what)
{
    char text[4096] = "";
    size_t n = 0;
    fake_flush(f);
    message *m = fake_expect(f, SCALEAGENT__V1__ACCOUNT_MESSAGE__BODY_DELTAS);
    for (size_t i = 0; i < m->deltas->n_deltas; i++) {
        const Scaleagent__V1__Delta *d = m->deltas->deltas[i];
        const char *sep = i ? " " : "";
        char object[512] = "", *x;
        ck_assert_uint_lt(d->object.len, sizeof object);
        if (d->object.len)
            memcpy(object, d->object.data, d->object.len);
        if (d->deleted) {
            ck_assert_uint_eq(d->object.len + d->digest.len, 0);
            n += (size_t)snprintf(text + n, sizeof text - n, "%s-%s", sep, d->name);
            continue;
        }
        ck_assert_uint_eq(d->digest.len, 16);
        x = strstr(object, "\"x\":\"");
        ck_assert_ptr_nonnull(x);
        n += (size_t)snprintf(text + n, sizeof text - n, "%s+%s=%.*s", sep, d->name,
                              (int)strcspn(x + 5, "\""), x + 5);
    }
    ck_assert_str_eq(text, what);
    fake_drop(m);
}

void fake_ack(struct fake *f, uint64_t sequence, uint64_t credit)
{
    Scaleagent__V1__Ack ack = SCALEAGENT__V1__ACK__INIT;
    Scaleagent__V1__AccountReply r = new_reply(f);
    ack.sequence = sequence;
    ack.credit = credit;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_ACK;
    r.ack = &ack;
    fake_reply(f, &r);
}

void fake_sums(struct fake *f, uint32_t scope, bool in_step)
{
    Scaleagent__V1__SumsAnswer sums = SCALEAGENT__V1__SUMS_ANSWER__INIT;
    Scaleagent__V1__AccountReply r = new_reply(f);
    sums.scope = scope;
    sums.in_step = in_step;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_SUMS;
    r.sums = &sums;
    fake_reply(f, &r);
}

void fake_wants(struct fake *f, const Scaleagent__V1__SnapshotPage *p, const char *names)
{
    Scaleagent__V1__Wants wants = SCALEAGENT__V1__WANTS__INIT;
    Scaleagent__V1__AccountReply r = new_reply(f);
    uint32_t index[64];
    char *copy = strdup(names), *save = NULL;
    wants.scope = p->scope;
    wants.snapshot = p->snapshot;
    wants.page = p->page;
    wants.index = index;
    for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
        for (uint32_t i = 0; i < p->n_entries; i++)
            if (strcmp(p->entries[i]->name, t) == 0)
                index[wants.n_index++] = i;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_WANTS;
    r.wants = &wants;
    fake_reply(f, &r);
    free(copy);
}

void fake_done(struct fake *f, uint32_t scope, uint32_t snapshot, bool complete)
{
    Scaleagent__V1__SnapshotDone done_ = SCALEAGENT__V1__SNAPSHOT_DONE__INIT;
    Scaleagent__V1__AccountReply r = new_reply(f);
    done_.scope = scope;
    done_.snapshot = snapshot;
    done_.complete = complete;
    r.body_case = SCALEAGENT__V1__ACCOUNT_REPLY__BODY_DONE;
    r.done = &done_;
    fake_reply(f, &r);
}

struct sa_scope *fake_scope(struct fake *f)
{
    struct sa_scope *s = sa_scope_find(&f->w, "", "pods", "");
    ck_assert_ptr_nonnull(s);
    return s;
}
