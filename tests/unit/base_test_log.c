/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of log lines, that nothing can forge one, and log files. */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include "base/err.h"
#include "base/log.h"
#include "base_test.h"

static char dir[64], file[128];

static void set_up(void)
{
    snprintf(dir, sizeof(dir), "/tmp/sa-log-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dir));
    snprintf(file, sizeof(file), "%s/agent.log", dir);
    unsetenv("TZ");
}

static void tear_down(void)
{
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    rmdir(dir);
}

/* Content of path in a static buffer. */
static const char *content(const char *path)
{
    static char text[200000];
    int fd = open(path, O_RDONLY);
    ck_assert_int_ge(fd, 0);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    ck_assert_int_ge(n, 0);
    text[n] = '\0';
    close(fd);
    return text;
}

static void configure(struct sa_log_options o)
{
    struct sa_err *err = NULL;
    o.file = file;
    ck_assert_msg(sa_log_configure(&o, &err) == 0, "%s", sa_err_msg(err));
}

/* The line after its time, whose form is checked: time=2026-01-02T03:04:05.678Z */
static const char *after_time(const char *line, const char *before, char end)
{
    ck_assert_int_eq(strncmp(line, before, strlen(before)), 0);
    const char *t = line + strlen(before);
    static const char shape[] = "dddd-dd-ddTdd:dd:dd.dddZ";
    for (size_t i = 0; i < sizeof(shape) - 1; i++) {
        ck_assert_msg(shape[i] == 'd' ? t[i] >= '0' && t[i] <= '9' : t[i] == shape[i], "%s", line);
    }
    ck_assert_int_eq(t[sizeof(shape) - 1], end);
    return t + sizeof(shape);
}

START_TEST(text_is_logfmt)
{
    struct sa_field more[] = {{"zone", "eu 1"}};
    configure((struct sa_log_options){.fields = more, .n_fields = 1});
    sa_log_set_identity("worker", "prod-eu-1");
    sa_logf(SA_WARN, (struct sa_field[]){{"resource", "apps/v1,deployments"}, {"n", ""}}, 2,
            "listed \"%s\"", "pods");
    ck_assert_str_eq(after_time(content(file), "time=", ' '),
                     "level=warn role=worker account=prod-eu-1 msg=\"listed \\\"pods\\\"\" "
                     "zone=\"eu 1\" resource=apps/v1,deployments n=\"\"\n");
}
END_TEST

START_TEST(json_is_one_object_a_line)
{
    configure((struct sa_log_options){.json = true});
    sa_logf(SA_ERROR, (struct sa_field[]){{"msg", "taken"}, {"k\"ey", "v\xff"}}, 2, "hello");
    ck_assert_str_eq(after_time(content(file), "{\"time\":\"", '"'),
                     ",\"level\":\"error\",\"msg\":\"hello\",\"fields.msg\":\"taken\","
                     "\"k\\\"ey\":\"v\xef\xbf\xbd\"}\n");
}
END_TEST

START_TEST(local_time_shows_its_offset)
{
    setenv("TZ", "XYZ-5:30", 1);
    configure((struct sa_log_options){.local_time = true});
    sa_log(SA_INFO, "x");
    ck_assert_ptr_nonnull(strstr(content(file), "+05:30 level=info"));
}
END_TEST

/* Whatever an API server or a child puts into a text: one record stays one line, no field can be
 * made up, no terminal is reached. */
START_TEST(no_text_can_forge_a_line)
{
    static const char evil[] = "x\n<0>time=0 level=fatal msg=forged\r\x1b[2J\x07\x01\x7f\xc2\x9b"
                               "31m\xff\" level=fatal forged=\"1";
    bool json = _i == 1;
    configure((struct sa_log_options){.json = json});
    sa_log_set_identity(evil, evil);
    sa_logf(SA_INFO, (struct sa_field[]){{evil, evil}, {"a b=c", "x"}}, 2, "%s", evil);
    const char *text = content(file);
    int lines = 0;
    for (const char *p = text; *p != '\0'; p++) {
        lines += *p == '\n';
        ck_assert_msg(*p == '\n' || ((unsigned char)*p >= 0x20 && *p != 0x7f), "byte %02x in %s",
                      (unsigned char)*p, text);
        ck_assert_msg(strncmp(p, "\xc2\x9b", 2) != 0, "a C1 control got through");
    }
    ck_assert_int_eq(lines, 1);
    /* Outside of quotes there is one level, the true one. */
    bool quoted = false;
    int levels = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p == '\\') {
            p++;
        } else if (*p == '"') {
            quoted = !quoted;
        } else if (!quoted && strncmp(p, "level=", 6) == 0) {
            levels++;
        } else if (!quoted) {
            ck_assert_msg(strncmp(p, " forged=", 8) != 0, "%s", text);
        }
    }
    ck_assert_int_eq(levels, json ? 0 : 1);
    ck_assert(!quoted);
}
END_TEST

START_TEST(very_long_records_stay_whole_lines)
{
    static char big[300000];
    memset(big, '\x01', sizeof(big) - 1);
    configure((struct sa_log_options){.json = true});
    sa_logf(SA_INFO, (struct sa_field[]){{"big", big}, {"small", "kept"}}, 2, "%s", big);
    const char *text = content(file);
    size_t n = strlen(text);
    ck_assert_uint_lt(n, 64 * 1024 + 1);
    ck_assert_ptr_nonnull(strstr(text, ",\"small\":\"kept\"}\n"));
    ck_assert_ptr_null(strstr(text, "\"big\""));
}
END_TEST

START_TEST(levels_filter)
{
    enum sa_level l = SA_FATAL;
    configure((struct sa_log_options){0});
    sa_log_set_level(SA_WARN);
    sa_log(SA_INFO, "not this");
    sa_log(SA_WARN, "this");
    ck_assert_ptr_null(strstr(content(file), "not this"));
    ck_assert_ptr_nonnull(strstr(content(file), "msg=this"));
    ck_assert_int_eq(sa_log_get_level(), SA_WARN);
    ck_assert_int_eq(sa_log_level_parse("DEBUG", &l), 0);
    ck_assert_int_eq(l, SA_DEBUG);
    ck_assert_int_eq(sa_log_level_parse("warning", &l), 0);
    ck_assert_int_eq(l, SA_WARN);
    ck_assert_int_eq(sa_log_level_parse("loud", &l), -1);
    ck_assert_str_eq(sa_log_level_name(SA_TRACE), "trace");
}
END_TEST

/* Runs body in a child whose standard error is the file "stderr"; returns what came there. */
static const char *stderr_of(void (*body)(void))
{
    char path[128];
    snprintf(path, sizeof(path), "%s/stderr", dir);
    pid_t pid = fork();
    if (pid == 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        dup2(fd, STDERR_FILENO);
        body();
        _exit(0);
    }
    int status;
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    return content(path);
}

static void log_three(void)
{
    sa_log_configure(&(struct sa_log_options){.journald = true}, NULL);
    sa_log_set_level(SA_TRACE);
    sa_log(SA_FATAL, "one");
    sa_log(SA_WARN, "two");
    sa_log(SA_TRACE, "three");
}

START_TEST(journald_gets_priorities)
{
    const char *text = stderr_of(log_three);
    ck_assert_int_eq(strncmp(text, "<2>time=", 8), 0);
    ck_assert_ptr_nonnull(strstr(text, "\n<4>time="));
    ck_assert_ptr_nonnull(strstr(text, "\n<7>time="));
}
END_TEST

static void log_to_both(void)
{
    sa_log_configure(&(struct sa_log_options){.multi = true, .file = file}, NULL);
    sa_log(SA_INFO, "both");
}

START_TEST(multi_writes_to_both)
{
    ck_assert_ptr_nonnull(strstr(stderr_of(log_to_both), "msg=both"));
    ck_assert_ptr_nonnull(strstr(content(file), "msg=both"));
}
END_TEST

static void log_as_child(void)
{
    sa_log(SA_INFO, "of the child");
}

/* A child's descriptors are closed or others': the number of the parent's file means nothing there.
 */
START_TEST(child_does_not_write_to_its_parents_file)
{
    configure((struct sa_log_options){0});
    ck_assert_ptr_nonnull(strstr(stderr_of(log_as_child), "of the child"));
    ck_assert_str_eq(content(file), "");
}
END_TEST

static int records;
static void sink(void *arg, const struct sa_record *rec)
{
    ck_assert_ptr_eq(arg, dir);
    ck_assert_str_eq(rec->msg, "to the sink");
    ck_assert_str_eq(rec->role, "uplink");
    ck_assert_ptr_null(rec->account);
    records++;
    sa_log(SA_ERROR, "from within: must not come back");
}

START_TEST(sink_takes_records_and_may_log)
{
    records = 0;
    configure((struct sa_log_options){0});
    sa_log_set_identity("uplink", NULL);
    sa_log_set_sink(sink, dir);
    sa_log(SA_INFO, "to the sink");
    ck_assert_int_eq(records, 1);
    sa_log_set_sink(NULL, NULL);
    sa_log(SA_INFO, "own");
    ck_assert_int_eq(records, 1);
    ck_assert_ptr_nonnull(strstr(content(file), "msg=own"));
    ck_assert_ptr_null(strstr(content(file), "within"));
}
END_TEST

static unsigned count_files(const char *part)
{
    unsigned n = 0;
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        n += strstr(e->d_name, part) != NULL;
    }
    closedir(d);
    return n;
}

START_TEST(file_is_rotated_and_old_ones_go)
{
    configure((struct sa_log_options){.max_size = 2000, .max_backups = 3});
    for (int i = 0; i < 200; i++) {
        sa_log(SA_INFO, "record %d", i);
        if (i % 20 == 0) {
            usleep(2000); /* names differ by the millisecond */
        }
    }
    ck_assert_uint_eq(count_files("agent-"), 3);
    ck_assert_uint_eq(count_files("agent.log"), 1);
    ck_assert_uint_le(strlen(content(file)), 2000);
    ck_assert_ptr_nonnull(strstr(content(file), "record 199"));
}
END_TEST

START_TEST(old_backups_go_by_age_and_others_stay)
{
    static const char *const names[] = {"agent-2020-01-02T03-04-05.678.log",
                                        "agent-2020-01-02T03-04-05.678.log.gz",
                                        "agent-2999-01-02T03-04-05.678.log",
                                        "agent-2020-01-02T03-04-05.678.log.bak",
                                        "agent-notes.log",
                                        "other-2020-01-02T03-04-05.678.log"};
    char path[256];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        close(open(path, O_CREAT | O_WRONLY, 0600));
    }
    configure((struct sa_log_options){.max_size = 100, .max_age_days = 7});
    sa_log(SA_INFO, "some text that is longer than a hundred bytes together with the next one");
    sa_log(SA_INFO, "the next one");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
        ck_assert_msg((access(path, F_OK) != 0) == (i < 2), "%s", names[i]);
    }
}
END_TEST

START_TEST(rotated_files_are_compressed)
{
    configure((struct sa_log_options){.max_size = 100000, .compress = true});
    for (int i = 0; i < 1500; i++) {
        sa_log(SA_INFO, "record %d of those that will be compressed when the file is full", i);
    }
    ck_assert_uint_eq(count_files(".log.gz"), 1);
    ck_assert_uint_eq(count_files(".part"), 0);
    ck_assert_uint_eq(count_files("agent-"), 1);
    DIR *d = opendir(dir);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        if (strstr(e->d_name, ".gz") != NULL) {
            static char text[100001];
            char path[512];
            snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
            gzFile z = gzopen(path, "rb");
            int n = gzread(z, text, sizeof(text) - 1);
            ck_assert_int_gt(n, 99000);
            ck_assert_int_eq(text[n - 1], '\n');
            ck_assert_ptr_nonnull(strstr(text, "record 0 of"));
            gzclose(z);
        }
    }
    closedir(d);
}
END_TEST

START_TEST(reopen_follows_an_outside_rotation)
{
    char moved[160];
    snprintf(moved, sizeof(moved), "%s.1", file);
    configure((struct sa_log_options){0});
    sa_log(SA_INFO, "before");
    ck_assert_int_eq(rename(file, moved), 0);
    sa_log(SA_INFO, "between");
    ck_assert_int_eq(sa_log_reopen(NULL), 0);
    sa_log(SA_INFO, "after");
    ck_assert_ptr_nonnull(strstr(content(moved), "between"));
    ck_assert_ptr_null(strstr(content(moved), "after"));
    ck_assert_ptr_nonnull(strstr(content(file), "after"));
    struct stat st;
    ck_assert_int_eq(stat(file, &st), 0);
    ck_assert_int_eq(st.st_mode & 0777, 0640 & ~022);
}
END_TEST

START_TEST(bad_file_is_an_error_and_changes_nothing)
{
    struct sa_err *err = NULL;
    configure((struct sa_log_options){0});
    ck_assert_int_eq(sa_log_configure(&(struct sa_log_options){.file = "/nonexistent/x.log"}, &err),
                     -1);
    ck_assert_str_eq(sa_err_msg(err),
                     "open log file /nonexistent/x.log: No such file or directory");
    sa_err_free(&err);
    sa_log(SA_INFO, "still");
    ck_assert_ptr_nonnull(strstr(content(file), "msg=still"));
}
END_TEST

START_TEST(repeated_failures_are_said_seldom)
{
    unsigned long long last = 0;
    ck_assert(sa_log_every(60, &last));
    ck_assert(!sa_log_every(60, &last));
    ck_assert(sa_log_every(0, &last));
}
END_TEST

TCase *base_test_log(void)
{
    TCase *t = tcase_create("log");
    tcase_add_checked_fixture(t, set_up, tear_down);
    tcase_set_timeout(t, 30);
    tcase_add_test(t, text_is_logfmt);
    tcase_add_test(t, json_is_one_object_a_line);
    tcase_add_test(t, local_time_shows_its_offset);
    tcase_add_loop_test(t, no_text_can_forge_a_line, 0, 2);
    tcase_add_test(t, very_long_records_stay_whole_lines);
    tcase_add_test(t, levels_filter);
    tcase_add_test(t, journald_gets_priorities);
    tcase_add_test(t, multi_writes_to_both);
    tcase_add_test(t, child_does_not_write_to_its_parents_file);
    tcase_add_test(t, sink_takes_records_and_may_log);
    tcase_add_test(t, file_is_rotated_and_old_ones_go);
    tcase_add_test(t, old_backups_go_by_age_and_others_stay);
    tcase_add_test(t, rotated_files_are_compressed);
    tcase_add_test(t, reopen_follows_an_outside_rotation);
    tcase_add_test(t, bad_file_is_an_error_and_changes_nothing);
    tcase_add_test(t, repeated_failures_are_said_seldom);
    return t;
}
