/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/watch.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

#define DEBOUNCE_NS  (200 * SA_NS_PER_MS)
#define AT_LATEST_NS SA_NS_PER_S
#define EVENTS                                                                                     \
    (IN_CLOSE_WRITE | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF |       \
     IN_MOVE_SELF | IN_ATTRIB | IN_ONLYDIR)

/* One name of interest in one directory; "*.yml" stands for all configuration files. */
struct interest {
    char *dir, *name;
    int wd;
};

struct sa_watcher {
    struct sa_loop *loop;
    int fd;
    sa_timer_cb *changed;
    void *arg;
    struct sa_timer timer;
    uint64_t burst_ns;  /* when the present burst began, 0 none */
    struct interest *v; /* by wd, then name */
    size_t n;
    struct interest *next; /* being collected */
    size_t n_next;
};

static const char all_config[] = "*.yml";

static void free_interests(struct interest *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        free(v[i].dir);
        free(v[i].name);
    }
    free(v);
}

static void fire(void *arg)
{
    struct sa_watcher *w = arg;

    w->burst_ns = 0;
    w->changed(w->arg);
}

static void touch(struct sa_watcher *w)
{
    uint64_t now = sa_mono_ns(), wait = DEBOUNCE_NS, latest;

    if (w->burst_ns == 0)
        w->burst_ns = now;
    latest = w->burst_ns + AT_LATEST_NS;
    if (now >= latest)
        wait = 0;
    else if (latest - now < wait)
        wait = latest - now;
    sa_timer_set(w->loop, &w->timer, wait, fire, w);
}

static bool is_config_name(const char *name)
{
    size_t n = strlen(name);

    if (name[0] == '.')
        return false;
    return (n > 4 && strcmp(name + n - 4, ".yml") == 0) ||
           (n > 5 && strcmp(name + n - 5, ".yaml") == 0);
}

static bool known(const struct sa_watcher *w, int wd)
{
    for (size_t i = 0; i < w->n; i++)
        if (w->v[i].wd == wd)
            return true;
    return false;
}

static bool concerns(const struct sa_watcher *w, const struct inotify_event *ev)
{
    if (ev->mask & IN_Q_OVERFLOW)
        return true;
    if (ev->mask & (IN_IGNORED | IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT))
        return known(w, ev->wd); /* else one that we gave up ourselves */
    if (ev->len == 0)
        return false;
    for (size_t i = 0; i < w->n; i++) {
        if (w->v[i].wd != ev->wd)
            continue;
        if (strcmp(ev->name, "..data") == 0 || strcmp(ev->name, w->v[i].name) == 0)
            return true;
        if (strcmp(w->v[i].name, all_config) == 0 && is_config_name(ev->name))
            return true;
    }
    return false;
}

static void on_events(void *arg, int fd, uint32_t events)
{
    struct sa_watcher *w = arg;
    _Alignas(struct inotify_event) char buf[16384];
    bool any = false;
    ssize_t n;

    (void)events;
    while ((n = read(fd, buf, sizeof(buf))) > 0) {
        for (char *p = buf; p < buf + n;) {
            const struct inotify_event *ev = (const struct inotify_event *)(void *)p;

            any = any || concerns(w, ev);
            p += sizeof(*ev) + ev->len;
        }
    }
    if (any)
        touch(w);
}

struct sa_watcher *sa_watcher_new(struct sa_loop *l, sa_timer_cb *changed, void *arg,
                                  struct sa_err **err)
{
    struct sa_watcher *w = calloc(1, sizeof(*w));

    if (!w) {
        sa_err_set(err, SA_EMEMORY, "watch of the configuration");
        return NULL;
    }
    w->loop = l;
    w->changed = changed;
    w->arg = arg;
    w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (w->fd < 0) {
        sa_err_sys(err, errno, "cannot watch the configuration's files (inotify)");
        free(w);
        return NULL;
    }
    if (sa_loop_fd(l, w->fd, EPOLLIN, on_events, w, err) < 0) {
        close(w->fd);
        free(w);
        return NULL;
    }
    return w;
}

void sa_watcher_free(struct sa_watcher *w)
{
    if (!w)
        return;
    sa_timer_cancel(w->loop, &w->timer);
    sa_loop_fd_remove(w->loop, w->fd);
    close(w->fd);
    free_interests(w->v, w->n);
    free_interests(w->next, w->n_next);
    free(w);
}

void sa_watcher_begin(struct sa_watcher *w)
{
    free_interests(w->next, w->n_next);
    w->next = NULL;
    w->n_next = 0;
}

static void want(struct sa_watcher *w, const char *dir, const char *name)
{
    struct interest *v = reallocarray(w->next, w->n_next + 1, sizeof(*v));
    struct interest in = {.dir = strdup(dir), .name = strdup(name), .wd = -1};

    if (v)
        w->next = v;
    if (!v || !in.dir || !in.name) { /* the slow rescan still sees changes */
        free(in.dir);
        free(in.name);
        return;
    }
    v[w->n_next++] = in;
}

/* Splits path and wants its last part in the directory before it; a directory that does not exist
 * is itself wanted in the one before. */
static void want_path(struct sa_watcher *w, const char *path)
{
    char a[PATH_MAX], b[PATH_MAX];
    const char *dir, *name;

    if (strlen(path) >= sizeof(a))
        return;
    memcpy(a, path, strlen(path) + 1);
    memcpy(b, a, sizeof(b));
    dir = dirname(a);
    name = basename(b);
    want(w, dir, name);
    if (access(dir, F_OK) < 0 && strcmp(dir, "/") != 0 && strcmp(dir, ".") != 0)
        want_path(w, dir);
}

/* path and, when a link leads elsewhere, what it leads to. Returns true with the latter in real. */
static bool want_links(struct sa_watcher *w, const char *path, char real[PATH_MAX])
{
    want_path(w, path);
    if (!realpath(path, real))
        return false;
    if (strcmp(real, path) != 0)
        want_path(w, real);
    return true;
}

void sa_watcher_add_file(struct sa_watcher *w, const char *path)
{
    char real[PATH_MAX];

    want_links(w, path, real);
}

void sa_watcher_add_directory(struct sa_watcher *w, const char *path)
{
    char real[PATH_MAX];

    if (want_links(w, path, real))
        want(w, path, all_config);
}

static int by_dir(const void *a, const void *b)
{
    const struct interest *x = a, *y = b;

    return strcmp(x->dir, y->dir);
}

static void drop_unused(struct sa_watcher *w)
{
    for (size_t i = 0; i < w->n; i++) {
        bool used = i > 0 && w->v[i].wd == w->v[i - 1].wd; /* was looked at */

        for (size_t k = 0; k < w->n_next && !used; k++)
            used = w->next[k].wd == w->v[i].wd;
        if (!used && w->v[i].wd >= 0)
            inotify_rm_watch(w->fd, w->v[i].wd);
    }
}

int sa_watcher_end(struct sa_watcher *w)
{
    int fresh = 0;

    if (w->n_next > 0)
        qsort(w->next, w->n_next, sizeof(*w->next), by_dir);
    for (size_t i = 0; i < w->n_next; i++) {
        struct interest *in = &w->next[i];

        if (i > 0 && strcmp(in->dir, in[-1].dir) == 0) {
            in->wd = in[-1].wd;
            continue;
        }
        in->wd = inotify_add_watch(w->fd, in->dir, EVENTS);
        if (in->wd < 0 && errno == ENOSPC)
            fresh = -1;
        else if (in->wd >= 0 && fresh >= 0 && !known(w, in->wd))
            fresh++;
    }
    drop_unused(w);
    free_interests(w->v, w->n);
    w->v = w->next;
    w->n = w->n_next;
    w->next = NULL;
    w->n_next = 0;
    return fresh;
}
