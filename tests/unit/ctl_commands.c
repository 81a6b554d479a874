/* SPDX-License-Identifier: Apache-2.0 */
/* scale-agentctl as its users run it. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl_fixture.h"

#define ACCOUNT(name, state, error)                                                                \
    "{\"name\":\"" name "\",\"state\":\"" state                                                    \
    "\",\"pid\":7,\"restarts\":2,\"version\":\"v1.36.3\","                                         \
    "\"server\":\"api:443\",\"cluster\":\"uid-1\",\"file\":\"/etc/a.yml\",\"last_error\":\"" error \
    "\",\"last_error_age_s\":61,\"watches\":12,\"objects\":123456,\"events_total\":5,"             \
    "\"lag_microseconds\":2500,\"memory_bytes\":1500000}"
#define STATUS(valid, accounts)                                                                    \
    "{\"agent\":{\"version\":\"0.1.0\",\"pid\":42,\"uptime_s\":300,\"agent_id\":\"host1\","        \
    "\"sink\":\"sqlite\","                                                                         \
    "\"uplink\":{\"state\":\"streaming\"},\"config\":{\"valid\":" valid                            \
    ",\"problems\":[{\"file\":\"/etc/x.yml\","                                                     \
    "\"line\":3,\"column\":5,\"warning\":false,\"text\":\"is wrong\"}]}},\"accounts\":[" accounts  \
    "]}\nOK\n"

#define ROW(resource, group, state, objects, why)                                                  \
    "{\"group\":\"" group "\",\"version\":\"v1\",\"resource\":\"" resource                         \
    "\",\"kind\":\"K\",\"namespaced\":true,\"namespace\":\"\",\"state\":\"" state                  \
    "\",\"objects\":" objects ",\"why\":\"" why "\"}\n"
#define PLAN_END(account, left_off)                                                                \
    "{\"account\":\"" account                                                                      \
    "\",\"state\":\"degraded\",\"last_error\":\"no route\",\"left_off\":" left_off "}\nOK\n"

static const struct ctl_answer healthy[] = {
    {"status", STATUS("true", ACCOUNT("prod", "streaming", ""))},
    {"accounts", ACCOUNT("prod", "streaming", "") "\n" ACCOUNT("test", "paused", "") "\nOK\n"},
    {"restart prod", "OK\n"},
    {"restart nope", "ERROR notfound there is no account nope\n"},
    {"discover nope", "ERROR notfound there is no account nope\n"},
    {"log-level debug", "OK\n"},
    {"pause two words", "OK\n"},
    {"resume cut", NULL},
    {"discover prod",
     ROW("pods", "", "in step", "12", "")
         ROW("deployments", "apps", "forbidden", "0", "403 for 9 s")
             ROW("events", "", "omitted", "0", "kinds does not name it") PLAN_END("prod", "3")},
    {"discover new", PLAN_END("new", "0")},
    {"discover odd", "OK\n"},
    {"pause garbage", "what\n"},
    {"reload",
     "{\"valid\":true,\"added\":1,\"changed\":0,\"removed\":2,\"credentials\":0,\"settings\":true,"
     "\"problems\":[]}\nOK\n"},
    {NULL, NULL},
};
static const struct ctl_answer ill[] = {
    {"status", STATUS("false", ACCOUNT("good", "streaming",
                                       "") "," ACCOUNT("bad", "failed", "no \\u001b[31mroute"))},
    {"reload", "{\"valid\":false,\"problems\":[{\"file\":\"/etc/"
               "x.yml\",\"line\":3,\"column\":5,\"warning\":false,"
               "\"text\":\"is wrong\"}]}\nERROR config the configuration is not valid\n"},
    {NULL, NULL},
};

static struct ctl_fixture f;

static void check_run(const char *args, int code, const char *want)
{
    char *out;
    int r = ctl_run(&f, args, &out);
    ck_assert_msg(r == code, "%s: exit code %d, not %d: %s", args, r, code, out);
    ck_assert_msg(strstr(out, want) != NULL, "%s brought:\n%s\nwanted: %s", args, out, want);
    free(out);
}

static void check_exact(const char *args, const char *want)
{
    char *out;
    ck_assert_int_eq(ctl_run(&f, args, &out), 0);
    ck_assert_str_eq(out, want);
    free(out);
}

START_TEST(status_of_a_healthy_agent)
{
    ctl_fixture_make(&f, healthy);
    check_exact(
        "status $S",
        "scale-agent 0.1.0 host1, pid 42, up 5m; 1 account\n"
        "uplink: sqlite streaming\n"
        "  /etc/x.yml:3:5: error: is wrong\n"
        "\n"
        "ACCOUNT   STATE       VERSION   WATCHES   OBJECTS   LAG     RESTARTS   LAST ERROR\n"
        "prod      streaming   v1.36.3   12        123.5k    2.5ms   2          -\n");
    check_run("status $S -o wide", 0, "EVENTS   DELTAS   MEMORY   LAG     RESTARTS   PID   SERVER");
    check_run("status $S -o wide", 0, "   1.5M     2.5ms   2          ");
    check_run("status $S -o json", 0, "\"agent_id\":\t\"host1\"");
    check_run("status $S -o yaml", 0, "  agent_id: host1\n");
    check_run("accounts $S -o yaml", 0, "- name: prod\n");
    check_exact("accounts $S -o name", "prod\ntest\n");
    check_run("accounts $S", 0, "uid-1");
    check_run("top $S -n 1", 0, "EVENTS/S");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(trouble_shows_in_the_exit_code)
{
    ctl_fixture_make(&f, ill);
    check_run("status $S", 4, "configuration: not valid");
    check_run("status $S", 4,
              "\nbad       failed "); /* first, and no escape sequence gets through */
    check_run("status $S", 4, "no  [31mroute (61s ago)");
    check_run("status $S", 4, "/etc/x.yml:3:5: error: is wrong");
    check_run("status $S -o json", 4, "\"failed\"");
    check_run("reload $S", 1, "/etc/x.yml:3:5: error: is wrong\nThe configuration is not valid");
    check_run("reload $S -o json", 1, "\"valid\":\tfalse");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(orders_are_passed_on)
{
    ctl_fixture_make(&f, healthy);
    check_exact("restart $S prod", "prod is restarted\n");
    check_run("restart $S nope", 1, "scale-agentctl: there is no account nope\n");
    check_run("pause $S 'two words'", 0, "two words is paused");
    check_run("log-level debug $S", 0, "debug is the log level");
    check_run("reload $S", 0,
              "1 added, 0 changed, 2 removed, 0 with new credentials. Agent-wide settings");
    check_run("resume $S cut", 3, "closed the connection before its answer was complete");
    check_run("pause $S garbage", 1, "not JSON");
    check_run("restart $S \"$(printf 'a\\nstop')\"", 1, "holds a line end");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(no_daemon_is_said_plainly)
{
    ctl_fixture_make(&f, NULL);
    check_run("status $S", 3, "no agent runs here: there is no socket");
    check_run("top -n 2 $S", 3, "no agent runs here");
    check_run("reload --socket /tmp/$(printf 'x%.0s' $(seq 200))", 3, "path is longer than");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(command_lines_are_checked)
{
    ctl_fixture_make(&f, NULL);
    check_run("", 2, "Usage: ");
    check_run("--help", 0, "Exit codes: 0 done");
    check_run("help", 0, "Exit codes: 0 done");
    check_run("help get", 0, "Usage: scale-agentctl get KIND");
    check_run("help op", 0, "Usage: scale-agentctl op");
    check_run("help seal", 0, "Usage: scale-agentctl seal");
    check_run("help stats", 2, "no such command: stats");
    check_run("--version", 0, "scale-agentctl ");
    check_run("stats", 2, "no such command: stats");
    check_run("accounts -o wide", 2, "this format is not one of accounts");
    check_run("status -o xml", 2, "no such format: xml");
    check_run("status --account a", 2, "--account is not an option of status");
    check_run("status -n 3", 2, "-n is not an option of status");
    check_run("top -n 0", 2, "expected a number above 0");
    check_run("top -n 3x", 2, "expected a number above 0");
    check_run("restart", 2, "Usage: scale-agentctl restart ACCOUNT");
    check_run("get", 2, "Usage: scale-agentctl get KIND");
    check_run("--nonsense", 2, "wrong option");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(each_command_has_help_with_examples)
{
    static const char *const names[] = {
        "status",  "top",      "accounts", "get",          "tail",  "reload",
        "restart", "pause",    "resume",   "log-level",    "check", "migrate",
        "config",  "discover", "doctor",   "support-dump", "seal"};
    char args[64], want[64];
    ctl_fixture_make(&f, NULL);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(args, sizeof args, "%s --help", names[i]);
        snprintf(want, sizeof want, "Usage: scale-agentctl %s ", names[i]);
        check_run(args, 0, want);
        check_run(args, 0, "\nExamples\n  ");
    }
    check_run("status -h", 0, "Formats (-o): table wide json yaml\n");
    check_run("stats --help", 2, "no such command: stats");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(get_finds_what_the_cache_has)
{
    ctl_fixture_make(&f, NULL);
    ctl_fixture_cache(&f);
    check_exact("get $D pods -o name", "pod/web-2\npod/web-1\npod/web-1\n");
    check_exact("get $D Po --account prod -n shop -o name", "pod/web-1\n");
    check_exact("get $D deployment.apps -o name", "deployment.apps/web\n");
    check_exact("get $D deploy web -o name", "deployment.apps/web\n");
    check_exact("get $D pod -n shop", "ACCOUNT   NAMESPACE   KIND   NAME    STATUS    AGE\n"
                                      "prod      shop        Pod    web-1   Running   -\n"
                                      "test      shop        Pod    web-1   -         -\n");
    check_run("get $D deploy -o wide", 0, "2/3");
    check_run("get $D pod web-1 --account prod -o wide", 0, "n1,nginx:1");
    check_exact("get $D pod web-1 --account test -o json",
                "{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"metadata\":{\"name\":\"web-1\"}}\n");
    check_run("get $D pod web-1 -o json", 0,
              "{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n{");
    check_run("get $D all -o name", 0, "deployment.apps/web\n");
    check_exact("get $D pod web-2 -o yaml",
                "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web-2\n  annotations:\n"
                "    a: \"yes\"\n    b: \"x: [y]\"\n    \"\\u001b[2J\": \"\"\n"
                "\"n\": 12345678901234\n");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(get_says_what_is_not_there)
{
    ctl_fixture_make(&f, NULL);
    check_run("get $D $S pods", 1, "there is no cache ");
    ctl_fixture_cache(&f);
    check_run("get $D pods nope", 1, "there is no pods nope");
    check_run("get $D sevices", 1, "no account has the kind sevices");
    check_run("get $D pods --account nope", 1, "the cache has no account nope");
    check_run("get $D pods -n empty", 0, "No objects found.");
    check_run("get $D \"pods' OR 1=1 --\"", 1, "no account has the kind");
    check_run("get $D pods \"x' OR '1'='1\"", 1, "there is no pods x'");
    check_run("get --database $DIR/../../etc/hostname pods", 1, "");
    char command[256];
    snprintf(command, sizeof command, "sqlite3 %s 'PRAGMA user_version=9' 2>/dev/null", f.database);
    if (system(command) == 0)
        check_run("get $D pods", 1, "has layout 9, this program reads 2");
    snprintf(command, sizeof command,
             "sqlite3 %s 'ALTER TABLE scopes DROP COLUMN fingerprint; PRAGMA user_version=1' "
             "2>/dev/null",
             f.database);
    if (system(command) == 0)
        check_run("get $D pods", 0, "web-1");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(get_knows_where_the_daemon_keeps_it)
{
    static const struct ctl_answer grpc[] = {
        {"status", "{\"agent\":{\"sink\":\"grpc\"},\"accounts\":[]}\nOK\n"}, {NULL, NULL}};
    ctl_fixture_make(&f, grpc);
    check_run("get $S pods", 1, "its sink is grpc");
    ctl_fixture_remove(&f);
    static const struct ctl_answer sqlite[] = {
        {"status",
         "{\"agent\":{\"sink\":\"sqlite\",\"state_dir\":\"/nonexistent\",\"sqlite_file\":\"\"},"
         "\"accounts\":[]}\nOK\n"},
        {NULL, NULL}};
    ctl_fixture_make(&f, sqlite);
    check_run("get $S pods", 1, "there is no cache /nonexistent/cache.db");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(tail_shows_changes_and_ends)
{
    ctl_fixture_make(&f, NULL);
    ctl_fixture_cache(&f);
    check_run("tail $D -n 2", 0, "prod  Pod shop/web-4  100 bytes\n"); /* the ten last of twelve */
    check_run("tail $D -n 3 --account test -o json", 0,
              "{\"seq\":3,\"time_us\":1700000000003000,\"account\":\"test\"");
    char *out;
    ck_assert_int_eq(ctl_run(&f, "tail $D -n 10 -o json", &out), 0);
    ck_assert_ptr_nonnull(strstr(out, "\"seq\":12,"));
    ck_assert_ptr_null(strstr(out, "\"seq\":2,"));
    free(out);
    ctl_fixture_remove(&f);
}
END_TEST

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", f.dir, name);
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

START_TEST(check_reads_files_here)
{
    ctl_fixture_make(&f, NULL);
    write_file("scale-agent.yml", "clouddriver: {insecure: false, auth: {token: hunter2}}\n");
    check_run("check $DIR", 0, "The configuration is valid: 0 accounts.\n");
    check_run("check $DIR/scale-agent.yml -o json", 0, "{\"valid\":true,\"problems\":[]}");
    write_file("scale-agent.yml", "clouddriver:\n  grcp: x:1\n");
    check_run("check $DIR", 1, "scale-agent.yml:2:3: error: clouddriver.grcp is not a known key");
    check_run("check $DIR -o json", 1, "\"line\":2,\"column\":3,\"warning\":false");
    check_run("check /nonexistent", 1, "/nonexistent: No such file");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(migrate_tells_key_by_key)
{
    ctl_fixture_make(&f, NULL);
    write_file("armory-agent.yml", "clouddriver: {grpc: 'x:1', tls.serverName: y}\n"
                                   "kubernetes:\n  accounts:\n"
                                   "  - {name: a, permissions: {READ: [r]}}\n"
                                   "  - {name: b, metrics: true}\n");
    check_run("migrate $DIR/armory-agent.yml", 0, "accounts[].name (2 times)");
    check_run("migrate $DIR/armory-agent.yml", 0,
              "5 keys: 4 taken as they are, 1 without effect, 0 refused, 0 unknown.");
    check_run("migrate $DIR/armory-agent.yml -o json", 0,
              "{\"key\":\"kubernetes.accounts[].metrics\",\"line\":5,\"times\":1,"
              "\"fate\":\"no effect\"");
    write_file("armory-agent.yml",
               "secrets: {vault: {password: x}}\nkubernetes: {auditSecond: 600}\n");
    check_run("migrate $DIR/armory-agent.yml", 1, "0 without effect, 1 refused, 1 unknown");
    check_run("migrate $DIR/armory-agent.yml", 1, "the nearest is kubernetes.auditSeconds");
    write_file("armory-agent.yml", "- not\n- a map\n");
    check_run("migrate $DIR/armory-agent.yml", 1, "expected a map");
    write_file("armory-agent.yml", "");
    check_run("migrate $DIR/armory-agent.yml", 1, "expected a map");
    check_run("migrate /nonexistent", 1, "/nonexistent: No such file");
    ctl_fixture_remove(&f);
}
END_TEST

static const char kubeconfig[] =
    "apiVersion: v1\nkind: Config\ncurrent-context: two\n"
    "contexts:\n- {name: one, context: {cluster: c1, user: u1}}\n"
    "- {name: two, context: {cluster: c2, user: u2, namespace: shop}}\n"
    "- {name: three, context: {cluster: c9, user: u9}}\n"
    "clusters:\n- {name: c1, cluster: {server: 'https://one:6443', "
    "insecure-skip-tls-verify: true}}\n"
    "- {name: c2, cluster: {server: 'https://two:6443', certificate-authority-data: QQ==}}\n"
    "users:\n- {name: u1, user: {token: hunter2}}\n"
    "- {name: u2, user: {exec: {command: aws}}}\n";

START_TEST(discover_shows_what_an_account_follows)
{
    ctl_fixture_make(&f, healthy);
    check_exact(
        "discover --account prod $S",
        "prod: degraded; last error: no route\n\n"
        "RESOURCE           VERSION   NAMESPACE   STATE       OBJECTS   WHY\n"
        "pods               v1        all         in step     12        \n"
        "deployments.apps   v1        all         forbidden   0         403 for 9 s\n"
        "events             v1        all         omitted     -         kinds does not name it\n"
        "\n3 more that are not followed were left off.\n");
    check_run("discover --account new $S", 0, "Nothing is discovered yet.");
    check_run("discover --account prod -o json $S", 0, "\"left_off\":\t3");
    check_run("discover --account odd $S", 1, "do versions differ?");
    check_run("discover --account nope $S", 1, "no account nope");
    check_run("discover --account prod /dev/null $S", 2, "Usage");
    check_run("discover $S", 2, "Usage");
    check_run("discover --account prod -n shop $S", 2, "-n is not an option of discover");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(discover_shows_contexts_and_no_secret)
{
    char *out;
    ctl_fixture_make(&f, NULL);
    write_file("kc", kubeconfig);
    ck_assert_int_eq(ctl_run(&f, "discover $DIR/kc", &out), 0);
    ck_assert_ptr_nonnull(strstr(out, "    one       https://one:6443    any (insecure)   token"));
    ck_assert_ptr_nonnull(strstr(
        out,
        "*   two       https://two:6443    CA               program (needs allowExec)   shop"));
    ck_assert_ptr_nonnull(strstr(out, "(no such cluster)"));
    ck_assert_ptr_nonnull(strstr(out, "  context: \"two\"\n  allowExec: true\n"));
    ck_assert_ptr_null(strstr(out, "hunter2"));
    free(out);
    check_run("discover $DIR/kc -o json", 0,
              "{\"context\":\"two\",\"server\":\"https://two:6443\",\"current\":true");
    check_run("discover $DIR/kc -o yaml", 0, "- context: two\n  server: \"https://two:6443\"\n");
    write_file("kc", "a: b\n");
    check_run("discover $DIR/kc", 1, "is no kubeconfig file");
    write_file("kc", "a: [\n");
    check_run("discover $DIR/kc", 1, "kc:2:1: not YAML");
    ctl_fixture_remove(&f);
}
END_TEST

START_TEST(support_dump_masks_secrets)
{
    char *out;
    ctl_fixture_make(&f, healthy);
    write_file("scale-agent.yml", "clouddriver: {insecure: false, auth: {token: hunter2}}\n");
    ck_assert_int_eq(ctl_run(&f, "support-dump $S $DIR", &out), 0);
    ck_assert_ptr_nonnull(strstr(out, "token: \"********\""));
    ck_assert_ptr_null(strstr(out, "hunter2"));
    ck_assert_ptr_nonnull(strstr(out, "landlock: "));
    ck_assert_ptr_nonnull(strstr(out, "\"agent_id\":\t\"host1\""));
    free(out);
    check_run("support-dump --socket /nonexistent $DIR", 0, "no agent runs here");
    ctl_fixture_remove(&f);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("ctl_commands");
    TCase *t = tcase_create("commands");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, status_of_a_healthy_agent);
    tcase_add_test(t, trouble_shows_in_the_exit_code);
    tcase_add_test(t, orders_are_passed_on);
    tcase_add_test(t, no_daemon_is_said_plainly);
    tcase_add_test(t, command_lines_are_checked);
    tcase_add_test(t, each_command_has_help_with_examples);
    tcase_add_test(t, get_finds_what_the_cache_has);
    tcase_add_test(t, get_says_what_is_not_there);
    tcase_add_test(t, get_knows_where_the_daemon_keeps_it);
    tcase_add_test(t, tail_shows_changes_and_ends);
    tcase_add_test(t, check_reads_files_here);
    tcase_add_test(t, migrate_tells_key_by_key);
    tcase_add_test(t, discover_shows_contexts_and_no_secret);
    tcase_add_test(t, discover_shows_what_an_account_follows);
    tcase_add_test(t, support_dump_masks_secrets);
    suite_add_tcase(s, t);
    SRunner *r = srunner_create(s);
    srunner_run_all(r, CK_NORMAL);
    int failed = srunner_ntests_failed(r);
    srunner_free(r);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
