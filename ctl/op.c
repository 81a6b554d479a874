/* SPDX-License-Identifier: Apache-2.0 */
#include "ctl/op.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_MS 10000u /* that a worker may be late with saying that the time is over */

static const char help[] =
    "Usage: scale-agentctl op ACCOUNT OPERATION [ARGUMENT]... [OPTION]...\n"
    "\n"
    "Does by hand what Spinnaker asks of an account's worker, with the account's credential and\n"
    "kubectl's words: to see what the agent sees, and why an operation fails. No kubectl is "
    "needed.\n"
    "Only root and the agent's own user may.\n"
    "\n"
    "Operations\n"
    "  get KIND[,KIND]... [NAME]... | KIND/NAME...   [-n NAMESPACE] [-l SELECTOR] [-o FORMAT]\n"
    "        objects as the API server has them; without -n those of all namespaces\n"
    "  events KIND NAME | KIND/NAME   [-n NAMESPACE]\n"
    "        the events of an object\n"
    "  apply -f FILE   [-l SELECTOR] [--server-side [--force-conflicts] [--field-manager NAME]]\n"
    "  create -f FILE, replace -f FILE\n"
    "        objects of YAML or JSON files; - is standard input\n"
    "  patch KIND NAME -p PATCH | --patch-file FILE   [--type strategic|merge|json] [--record]\n"
    "  delete KIND NAME... | KIND -l SELECTOR | -f FILE   [--cascade "
    "background|foreground|orphan]\n"
    "         [--grace-period SECONDS] [--now] [--force] [--wait=false] [--ignore-not-found]\n"
    "  scale KIND NAME --replicas COUNT\n"
    "  rollout history|undo|pause|resume|restart KIND NAME   [--to-revision NUMBER]\n"
    "        of a Deployment, DaemonSet or StatefulSet\n"
    "  logs POD | KIND/NAME [CONTAINER]   [-c CONTAINER | --all-containers] [-p] [--since TIME]\n"
    "         [--tail LINES] [--limit-bytes BYTES]\n"
    "  top pod [NAME]   [-l SELECTOR]\n"
    "        use of each container, by metrics.k8s.io\n"
    "\n"
    "Options\n"
    "  -n, --namespace NAMESPACE   by default the one of the account's kubeconfig\n"
    "  -o, --output FORMAT         json, yaml or name; of get also table and wide\n"
    "      --timeout TIME          60s by default; nothing is begun after it\n"
    "  -h, --help\n"
    "\n"
    "Examples\n"
    "  scale-agentctl op prod get deployments -n shop\n"
    "  scale-agentctl op prod get deployment.apps/web -n shop -o yaml\n"
    "  scale-agentctl op prod apply -f web.yml --server-side\n"
    "  scale-agentctl op prod rollout undo deployment/web -n shop --to-revision=3\n"
    "  scale-agentctl op prod logs job/migrate -n shop --tail=100\n"
    "  scale-agentctl op prod delete pod -l app=web -n shop --wait=false\n"
    "\n"
    "Exit codes: 0 done, 1 it failed (as kubectl's), 2 wrong command line, 3 no daemon answers.\n";

void sa_cli_op_help(void)
{
    fputs(help, stdout);
}

static int usage(struct sa_err **err)
{
    fprintf(stderr, "error: %s\nSee scale-agentctl op --help\n", sa_err_msg(*err));
    sa_err_free(err);
    return SA_EXIT_USAGE;
}

static int failed(struct sa_err **err)
{
    fprintf(stderr, "error: %s\n", sa_err_msg(*err));
    sa_err_free(err);
    return SA_EXIT_NO;
}

/* The objects of its files, and the patch of one. *patch is the caller's. */
static int read_files(struct sa_cli_op *op, struct sa_manifests *m, char **patch,
                      struct sa_err **err)
{
    SA_CLEANUP(sa_buf_free) struct sa_buf b = {0};
    const char *text = op->patch;
    for (size_t i = 0; i < op->n_files; i++) {
        if (sa_manifests_read(m, op->files[i], err) != 0)
            return -1;
    }
    if (op->namespace != NULL && sa_manifests_namespace(m, op->namespace, err) != 0)
        return -1;
    if (op->verb != SA_CLI_PATCH)
        return 0;
    if (text == NULL) {
        if (sa_cli_read_file(op->patch_file, &b, err) != 0)
            return -1;
        text = b.data == NULL ? "" : b.data;
    }
    *patch = sa_patch_json(op->patch_file == NULL ? "the patch" : op->patch_file, text,
                           strlen(text), err);
    op->patch = *patch;
    return *patch == NULL ? -1 : 0;
}

/* All of them, whatever comes of one: as kubectl goes on with the next object. */
static int ask_all(const struct sa_cli *c, const struct sa_cli_op *op,
                   const struct sa_cli_op_requests *requests)
{
    struct sa_err *err = NULL;
    struct sa_cli_op_print print;
    struct sa_cli_op_channel *channel = sa_cli_op_channel_open(c->socket, op->account, &err);
    if (channel == NULL) {
        int code = sa_cli_fail(err);
        sa_err_free(&err);
        return code;
    }
    int r = sa_cli_op_print_init(&print, op, requests->n, c->colour);
    if (r != 0)
        sa_err_set(&err, SA_EMEMORY, "no memory for results");
    for (size_t i = 0; i < requests->n && r == 0; i++)
        r = sa_cli_op_channel_ask(channel, &requests->v[i], (uint64_t)op->timeout_ms + GRACE_MS,
                                  sa_cli_op_print_part, &print, &err);
    sa_cli_op_channel_free(channel);
    int code = sa_cli_op_print_end(&print);
    return r == 0 ? code : failed(&err);
}

int sa_cmd_op(const struct sa_cli *c, int argc, char **argv)
{
    struct sa_err *err = NULL;
    struct sa_cli_op op;
    struct sa_manifests manifests = {0};
    struct sa_cli_op_requests requests = {0};
    char *patch = NULL;
    int code;
    int r = sa_cli_op_options(argc, argv, &op, &err);
    if (r > 0)
        sa_cli_op_help();
    if (r != 0)
        return r > 0 ? SA_EXIT_OK : usage(&err);
    if (read_files(&op, &manifests, &patch, &err) != 0)
        code = failed(&err);
    else if (sa_cli_op_requests(&op, &manifests, &requests, &err) != 0)
        code = err->code == SA_EREFUSED ? usage(&err) : failed(&err);
    else
        code = ask_all(c, &op, &requests);
    cJSON_free(patch);
    sa_cli_op_requests_free(&requests);
    sa_manifests_free(&manifests);
    return code;
}
