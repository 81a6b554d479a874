/* SPDX-License-Identifier: Apache-2.0 */
/*
 * support-dump: one text with what someone who helps needs to know, and nothing secret: the
 * configuration is masked, and nothing else that is read here holds a secret. Each part stands
 * alone: what can't be had is said and does not end the dump.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <sqlite3.h>

#include "config/load.h"
#include "config/print.h"
#include "ctl/check.h"

/* landlock_create_ruleset(2): the flag that asks for the version; older headers lack both. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#endif
#define LANDLOCK_VERSION 1u

static void part(struct sa_buf *out, const char *title)
{
    sa_buf_addf(out, "\n===== %s =====\n", title);
}

static void add_versions(struct sa_buf *out)
{
    struct utsname u;
    char when[64] = "";
    time_t now = time(NULL);
    struct tm tm;
    part(out, "versions");
    if (gmtime_r(&now, &tm) != NULL)
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    sa_buf_addf(out, "time: %s\nscale-agentctl: %s\nsqlite: %s\n", when, SA_VERSION,
                sqlite3_libversion());
    if (uname(&u) == 0)
        sa_buf_addf(out, "kernel: %s %s %s\n", u.sysname, u.release, u.machine);
}

/* First line of a small file of the kernel. */
static void add_line(struct sa_buf *out, const char *path)
{
    char line[512];
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        sa_buf_addf(out, "%s: %s\n", path, strerror(errno));
        return;
    }
    bool got = fgets(line, sizeof line, f) != NULL;
    fclose(f);
    line[got ? strcspn(line, "\n") : 0] = '\0';
    sa_buf_addf(out, "%s: %s\n", path, line);
}

static void add_kernel(struct sa_buf *out)
{
    static const char *const files[] = {
        "/sys/kernel/security/lsm",
        "/proc/sys/kernel/seccomp/actions_avail",
        "/proc/sys/kernel/yama/ptrace_scope",
        "/proc/sys/fs/inotify/max_user_watches",
        "/proc/sys/fs/inotify/max_user_instances",
        "/proc/sys/kernel/pid_max",
        "/proc/meminfo",
        "/proc/loadavg",
    };
    part(out, "kernel");
    long abi = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LANDLOCK_VERSION);
    if (abi > 0)
        sa_buf_addf(out, "landlock: ABI %ld\n", abi);
    else
        sa_buf_addf(out, "landlock: none (%s)\n", strerror(errno));
    sa_buf_addf(out, "cgroup: %s\n",
                access("/sys/fs/cgroup/cgroup.controllers", F_OK) == 0 ? "v2" : "v1 or none");
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        add_line(out, files[i]);
}

static void add_status(const struct sa_cli *c, struct sa_buf *out)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    cJSON *status;
    part(out, "status");
    if (sa_cli_status_of(c->socket, &status, &err) != 0) {
        sa_buf_addf(out, "%s\n", sa_err_msg(err));
        return;
    }
    sa_status_head(status, false, out);
    sa_buf_addc(out, '\n');
    sa_status_table(status, NULL, 0, true, false, out);
    part(out, "status in full");
    char *text = cJSON_Print(status);
    sa_buf_addf(out, "%s\n", text == NULL ? "no memory" : text);
    cJSON_free(text);
    cJSON_Delete(status);
}

static void add_configuration(const struct sa_cli *c, struct sa_buf *out)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_check_paths paths;
    struct sa_problems problems = {0};
    struct sa_buf text;
    sa_buf_init(&text, 0);
    part(out, "configuration in effect, secrets masked");
    int r = sa_check_find(c, &paths, &err);
    if (r == 0)
        r = sa_config_print(&paths.paths, &text, &problems, &err);
    if (r == 0)
        sa_buf_add(out, text.data == NULL ? "" : text.data, text.len);
    else
        sa_buf_addf(out, "%s\n", sa_err_msg(err));
    part(out, "problems of the configuration");
    sa_problems_print(&problems, out);
    sa_problems_free(&problems);
    sa_buf_free(&text);
    sa_check_free(&paths);
}

int sa_cmd_support_dump(const struct sa_cli *c)
{
    struct sa_buf out;
    sa_buf_init(&out, 0);
    sa_buf_adds(&out, "scale-agent support dump. Secrets are masked; names of hosts, accounts and "
                      "roles are not.\n");
    add_versions(&out);
    add_kernel(&out);
    add_status(c, &out);
    add_configuration(c, &out);
    return sa_put(&out);
}
