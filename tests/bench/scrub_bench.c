/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a worker spends on the bytes of one event, a pod: in nanoseconds an object, best of several
 * rounds. `scrub_bench FILE` takes the object from FILE. cJSON stands beside it as the measure:
 * parse, cut, print, digest.
 */
#include <cjson/cJSON.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/hash.h"
#include "worker/frame.h"
#include "worker/scrub.h"

#define ROUNDS   7
#define TURNS    4000
#define MAX_FILE ((size_t)1 << 20)

struct input {
    char *object; /* compact, without line end */
    size_t n;
    struct sa_buf event; /* as a watch sends it, with its line end */
    struct sa_buf out;
    uint64_t seen; /* so that no work can be left out */
};

static const struct sa_scrub_options options = {.api_version = "v1", .kind = "Pod"};

static void scrub(struct input *in, const char *json, size_t n)
{
    struct sa_object o;
    sa_buf_reset(&in->out);
    if (sa_scrub(json, n, &options, &in->out, &o, NULL) != 0) {
        abort();
    }
    in->seen += o.digest.b[0];
}

static void run_scrub(struct input *in)
{
    scrub(in, in->object, in->n);
}

static void run_digest(struct input *in)
{
    struct sa_digest_state s;
    struct sa_digest d;
    sa_digest_start(&s);
    sa_digest_add(&s, in->out.data, in->out.len);
    sa_digest_end(&s, &d);
    in->seen += d.b[0];
}

static void run_metadata_only(struct input *in)
{
    struct sa_scrub_options o = options;
    struct sa_object object;
    o.metadata_only = true;
    if (sa_scrub(in->object, in->n, &o, NULL, &object, NULL) != 0) {
        abort();
    }
    in->seen += object.version;
}

static int on_event(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct input *in = arg;
    enum sa_watch_type type;
    const char *object;
    size_t object_n;
    if (sa_watch_event(json, n, &type, &object, &object_n, err) != 0) {
        return -1;
    }
    scrub(in, object, object_n);
    return 0;
}

static int count_event(void *arg, const char *json, size_t n, struct sa_err **err)
{
    struct input *in = arg;
    (void)json;
    (void)err;
    in->seen += n;
    return 0;
}

static void run_stream(struct input *in, sa_frame_cb *cb)
{
    struct sa_frame *f = sa_frame_watch(MAX_FILE, cb, in);
    if (f == NULL || sa_frame_add(f, in->event.data, in->event.len, NULL) != 0) {
        abort();
    }
    sa_frame_free(f);
}

static void run_frame(struct input *in)
{
    run_stream(in, count_event);
}

static void run_all(struct input *in)
{
    run_stream(in, on_event);
}

static void run_cjson(struct input *in)
{
    struct sa_digest_state s;
    struct sa_digest d;
    cJSON *tree = cJSON_ParseWithLength(in->object, in->n);
    cJSON *metadata = cJSON_GetObjectItemCaseSensitive(tree, "metadata");
    cJSON_DeleteItemFromObjectCaseSensitive(metadata, "managedFields");
    char *text = cJSON_PrintUnformatted(tree);
    if (text == NULL) {
        abort();
    }
    sa_digest_start(&s);
    sa_digest_add(&s, text, strlen(text));
    sa_digest_end(&s, &d);
    in->seen += d.b[0];
    free(text);
    cJSON_Delete(tree);
}

static void measure(const char *what, void (*run)(struct input *), struct input *in)
{
    uint64_t best = UINT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t start = sa_mono_ns();
        for (int i = 0; i < TURNS; i++) {
            run(in);
        }
        uint64_t took = (sa_mono_ns() - start) / TURNS;
        best = took < best ? took : best;
    }
    printf("%-48s %8llu ns\n", what, (unsigned long long)best);
}

int main(int argc, char **argv)
{
    struct input in = {0};
    FILE *f = argc == 2 ? fopen(argv[1], "r") : NULL;
    in.object = malloc(MAX_FILE);
    if (f == NULL || in.object == NULL) {
        fprintf(stderr, "usage: scrub_bench FILE (an object as JSON)\n");
        free(in.object);
        return 2;
    }
    in.n = fread(in.object, 1, MAX_FILE, f);
    fclose(f);
    while (in.n > 0 && in.object[in.n - 1] == '\n') {
        in.n--;
    }
    sa_hash_init();
    sa_buf_adds(&in.event, "{\"type\":\"MODIFIED\",\"object\":");
    sa_buf_add(&in.event, in.object, in.n);
    sa_buf_adds(&in.event, "}\n");
    run_scrub(&in);
    printf("object of %zu bytes, %zu after scrubbing\n", in.n, in.out.len);
    measure("scrub (validate, cut, copy, digest)", run_scrub, &in);
    measure("  of which the digest (BLAKE2b)", run_digest, &in);
    measure("metadata only", run_metadata_only, &in);
    measure("frame", run_frame, &in);
    measure("frame, event and scrub", run_all, &in);
    measure("cJSON: parse, cut, print, digest", run_cjson, &in);
    sa_buf_free(&in.event);
    sa_buf_free(&in.out);
    free(in.object);
    return in.seen == 0;
}
