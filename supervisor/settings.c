/* SPDX-License-Identifier: Apache-2.0 */
#include "supervisor/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "supervisor/control.h"
#include "supervisor/root.h"
#include "supervisor/service.h"

void sa_settings_free_list(char **v)
{
    for (char **p = v; p && *p; p++)
        free(*p);
    free(v);
}

static bool same(const char *a, const char *b)
{
    return strcmp(a ? a : "", b ? b : "") == 0;
}

bool sa_settings_exporter_differs(const struct sa_settings *a, const struct sa_settings *b)
{
    return a->prometheus_enabled != b->prometheus_enabled ||
           a->prometheus_port != b->prometheus_port || a->server_port != b->server_port ||
           !same(a->server_host, b->server_host) || !same(a->prometheus_host, b->prometheus_host) ||
           !same(a->server_token_sha256, b->server_token_sha256) || !same(a->sandbox, b->sandbox);
}

bool sa_settings_fixed_differs(const struct sa_settings *a, const struct sa_settings *b)
{
    return !same(a->runtime_dir, b->runtime_dir) || !same(a->state_dir, b->state_dir) ||
           !same(a->user, b->user) || !same(a->control_group, b->control_group) ||
           a->uid_range_first != b->uid_range_first || a->uid_range_count != b->uid_range_count;
}

static bool logging_differs(const struct sa_settings *a, const struct sa_settings *b)
{
    if (!same(a->log_file, b->log_file) || a->log_json != b->log_json ||
        a->log_multi != b->log_multi || a->log_local_time != b->log_local_time ||
        a->log_compress != b->log_compress || a->log_max_size_mb != b->log_max_size_mb ||
        a->log_max_age_days != b->log_max_age_days || a->log_max_backups != b->log_max_backups ||
        a->n_log_fields != b->n_log_fields)
        return true;
    for (size_t i = 0; i < a->n_log_fields; i++)
        if (!same(a->log_field_keys[i], b->log_field_keys[i]) ||
            !same(a->log_field_values[i], b->log_field_values[i]))
            return true;
    return false;
}

static unsigned bounded(int64_t v)
{
    return v < 0 ? 0 : v > INT32_MAX ? INT32_MAX : (unsigned)v;
}

/* stderr is journald's if the service manager says so in JOURNAL_STREAM (systemd.exec(5)). */
static int apply_logging(const struct sa_settings *s, struct sa_err **err)
{
    SA_CLEANUP(sa_freep) struct sa_field *fields = calloc(s->n_log_fields + 1, sizeof(*fields));
    struct sa_log_options o = {
        .json = s->log_json,
        .local_time = s->log_local_time,
        .journald = getenv("JOURNAL_STREAM") && !s->log_json,
        .multi = s->log_multi,
        .file = s->log_file && *s->log_file ? s->log_file : NULL,
        .max_size = (size_t)bounded(s->log_max_size_mb) << 20,
        .max_backups = bounded(s->log_max_backups),
        .max_age_days = bounded(s->log_max_age_days),
        .compress = s->log_compress,
        .fields = fields,
        .n_fields = s->n_log_fields,
    };

    if (!fields)
        return sa_err_set(err, SA_EMEMORY, "log fields");
    for (size_t i = 0; i < s->n_log_fields; i++)
        fields[i] = (struct sa_field){s->log_field_keys[i], s->log_field_values[i]};
    return sa_log_configure(&o, err);
}

static void apply_level(struct sa_supervisor *sup, const char *name)
{
    enum sa_level level;

    if (name && sa_log_level_parse(name, &level) == 0)
        sa_sup_set_level(sup, level);
}

static char *copy_or_host(const char *text)
{
    char host[256] = "scale-agent";

    if (text && *text)
        return strdup(text);
    gethostname(host, sizeof(host) - 1);
    return strdup(host);
}

/* What stays as it is until the daemon ends. */
static int settle_in(struct sa_supervisor *sup, const struct sa_settings *s, struct sa_err **err)
{
    const struct sa_supervisor_options *opt = sup->opt;

    sup->runtime_dir = strdup(opt->runtime_dir ? opt->runtime_dir : s->runtime_dir);
    sup->state_dir = strdup(opt->state_dir ? opt->state_dir : s->state_dir);
    if (!sup->runtime_dir || !sup->state_dir)
        return sa_err_set(err, SA_EMEMORY, "settings");
    if (sa_identity_resolve(s, &sup->identity, err) < 0 ||
        sa_identity_directories(&sup->identity, sup->runtime_dir, sup->state_dir, &sup->lock_fd,
                                err) < 0)
        return -1;
    sup->control = sa_control_new(sup, err);
    return sup->control ? 0 : -1;
}

static int take_first(struct sa_supervisor *sup, const struct sa_settings *s, struct sa_err **err)
{
    if (apply_logging(s, err) < 0)
        return -1;
    apply_level(sup, sup->opt->log_level ? sup->opt->log_level : s->log_level);
    return settle_in(sup, s, err);
}

static void take_next(struct sa_supervisor *sup, const struct sa_settings *s)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;

    if (logging_differs(&sup->settings, s) && apply_logging(s, &err) < 0)
        sa_log(SA_ERROR, "%s", sa_err_msg(err));
    if (!same(sup->settings.log_level, s->log_level))
        apply_level(sup, s->log_level);
    if (sa_settings_fixed_differs(&sup->settings, s))
        sa_log(SA_WARN,
               "directories, users and the control group stay as they are until the daemon "
               "is started again");
}

int sa_settings_take(struct sa_supervisor *sup, struct sa_config_answer *a, bool *uplink,
                     bool *exporter, struct sa_err **err)
{
    struct sa_settings s = {0};

    if (sup->configured && memcmp(a->settings_fingerprint, sup->settings_fingerprint,
                                  sizeof(sup->settings_fingerprint)) == 0)
        return 0;
    if (sa_settings_from_json(a->settings_json, &s, err) < 0)
        return -1;
    if (!sup->configured && take_first(sup, &s, err) < 0) {
        sa_settings_free(&s);
        return -1;
    }
    if (sup->configured) {
        take_next(sup, &s);
        *uplink = memcmp(a->uplink_fingerprint, sup->uplink_fingerprint,
                         sizeof(sup->uplink_fingerprint)) != 0;
        *exporter = sa_settings_exporter_differs(&sup->settings, &s);
    }
    free(sup->agent_id);
    sup->agent_id = copy_or_host(s.agent_id);
    sa_settings_free(&sup->settings);
    sup->settings = s;
    free(sup->settings_json);
    sup->settings_json = a->settings_json;
    a->settings_json = NULL;
    memcpy(sup->settings_fingerprint, a->settings_fingerprint, sizeof(sup->settings_fingerprint));
    memcpy(sup->uplink_fingerprint, a->uplink_fingerprint, sizeof(sup->uplink_fingerprint));
    sa_restart_policy_from(&s, &sup->policy);
    return 0;
}
