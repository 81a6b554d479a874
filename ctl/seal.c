/* SPDX-License-Identifier: Apache-2.0 */
/* seal: a kubeconfig that one host alone can open; and the key of this host. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/seal.h"
#include "ctl/cli.h"

#define STOCK_KEY    "/etc/scale-agent/seal.key"
#define STOCK_PUBLIC "/etc/scale-agent/seal.pub"
#define SUFFIX       ".key"

static const char help[] =
    "Usage: scale-agentctl seal [--public FILE] KUBECONFIG\n"
    "       scale-agentctl seal --init [--key FILE]\n\n"
    "  Prints the kubeconfig (- is standard input) sealed for one host; its name then stands as\n"
    "  kubeconfigFile of an account. Sealing takes the public half of the host's key, opening the\n"
    "  secret one.\n\n"
    "      --init         make this host's key, which only its owner may read, and its public "
    "half\n"
    "                     beside it (.pub); a key that is there stays\n"
    "      --key FILE     where, by default " STOCK_KEY "\n"
    "      --public FILE  the public half, by default " STOCK_PUBLIC "\n\n"
    "Examples\n"
    "  sudo scale-agentctl seal --init\n"
    "  scale-agentctl seal prod.kubeconfig | sudo tee /etc/scale-agent/kubeconfigs/prod.sealed\n";

/* Reads all of fd, up to a bound. Wipe *out. */
static int read_all(int fd, const char *name, struct sa_buf *out, struct sa_err **err)
{
    char piece[4096];
    sa_buf_reserve(out, SA_SEAL_PLAIN_MAX); /* at once: growing would leave copies */
    for (;;) {
        ssize_t n = read(fd, piece, sizeof piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return sa_err_sys(err, errno, "reading %s", name);
        if (n == 0)
            break;
        int rc = sa_buf_add(out, piece, (size_t)n);
        sodium_memzero(piece, sizeof piece);
        if (rc != 0)
            return sa_err_set(err, SA_ELIMIT, "%s is longer than %u bytes", name,
                              SA_SEAL_PLAIN_MAX);
    }
    return out->len > 0 ? 0 : sa_err_set(err, SA_ECREDENTIAL, "%s is empty", name);
}

static int read_file(const char *path, struct sa_buf *out, struct sa_err **err)
{
    bool input = strcmp(path, "-") == 0;
    sa_buf_init(out, SA_SEAL_PLAIN_MAX);
    SA_CLEANUP(sa_closep) int opened = input ? -1 : open(path, O_RDONLY | O_CLOEXEC);
    if (!input && opened < 0)
        return sa_err_sys(err, errno, "%s", path);
    return read_all(input ? STDIN_FILENO : opened, input ? "standard input" : path, out, err);
}

static void wipe(struct sa_buf *b)
{
    sa_buf_wipe(b);
    sa_buf_free(b);
}

static int seal_bytes(const char *public_file, const char *kubeconfig, const struct sa_buf *plain,
                      struct sa_buf *out, struct sa_err **err)
{
    struct sa_buf key;
    if (sa_seal_is(plain->data, plain->len))
        return sa_err_set(err, SA_ECREDENTIAL, "%s is sealed already", kubeconfig);
    int rc = read_file(public_file, &key, err);
    if (rc != 0)
        sa_err_wrap(err, "the host's public key (scale-agentctl seal --init makes it there)");
    else if (sa_seal(key.data, key.len, plain->data, plain->len, out, err) != 0)
        rc = sa_err_wrap(err, "%s", public_file);
    wipe(&key); /* it may be the wrong file, and a secret */
    return rc;
}

static int seal(const char *public_file, const char *kubeconfig)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    struct sa_buf plain, out;
    sa_buf_init(&out, 0);
    int rc = read_file(kubeconfig, &plain, &err);
    if (rc == 0)
        rc = seal_bytes(public_file, kubeconfig, &plain, &out, &err);
    wipe(&plain);
    int code = rc == 0 ? sa_put(&out) : sa_cli_fail(err);
    sa_buf_free(&out);
    return code;
}

/* Writes a file that is not there yet. */
static int write_new(const char *path, mode_t mode, const struct sa_buf *b, struct sa_err **err)
{
    SA_CLEANUP(sa_closep)
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0 && errno == EEXIST)
        return sa_err_set(err, SA_EREFUSED,
                          "%s is there; what is sealed for it could no longer be opened. To make "
                          "another key, take this one away first",
                          path);
    if (fd < 0)
        return sa_err_sys(err, errno, "%s", path);
    if (fchmod(fd, mode) != 0 || write(fd, b->data, b->len) != (ssize_t)b->len || fsync(fd) != 0) {
        sa_err_sys(err, errno, "writing %s", path);
        (void)unlink(path);
        return -1;
    }
    return 0;
}

/* FILE.pub for FILE.key, or behind another name. */
static char *public_of(const char *key)
{
    size_t n = strlen(key), cut = strlen(SUFFIX);
    char *out = NULL;
    if (n > cut && strcmp(key + n - cut, SUFFIX) == 0)
        n -= cut;
    return asprintf(&out, "%.*s.pub", (int)n, key) < 0 ? NULL : out;
}

static int init(const char *key)
{
    SA_CLEANUP(sa_err_free) struct sa_err *err = NULL;
    SA_CLEANUP(sa_freep) char *public_file = public_of(key);
    struct sa_buf secret, open_half;
    sa_buf_init(&secret, 0);
    sa_buf_init(&open_half, 0);
    int r = public_file == NULL ? sa_err_set(&err, SA_EMEMORY, "a path")
                                : sa_seal_make_key(&secret, &open_half, &err);
    if (r == 0)
        r = write_new(key, 0600, &secret, &err);
    if (r == 0) {
        (void)unlink(public_file); /* that of a key which was taken away */
        r = write_new(public_file, 0644, &open_half, &err);
        if (r != 0)
            (void)unlink(key); /* so that it can be tried again */
    }
    wipe(&secret);
    sa_buf_free(&open_half);
    if (r != 0)
        return sa_cli_fail(err);
    printf("%s is this host's key, %s its public half.\n", key, public_file);
    return SA_EXIT_OK;
}

static int usage(void)
{
    fputs("scale-agentctl: wrong arguments; see scale-agentctl seal --help\n", stderr);
    return SA_EXIT_USAGE;
}

int sa_cmd_seal(int argc, char **argv)
{
    enum { INIT = 256, KEY, PUBLIC };
    static const struct option options[] = {{"init", no_argument, NULL, INIT},
                                            {"key", required_argument, NULL, KEY},
                                            {"public", required_argument, NULL, PUBLIC},
                                            {"help", no_argument, NULL, 'h'},
                                            {NULL, 0, NULL, 0}};
    const char *key = NULL, *public_file = NULL;
    bool make = false;
    int option;
    optind = 0;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) >= 0) {
        switch (option) {
        case INIT:
            make = true;
            break;
        case KEY:
            key = optarg;
            break;
        case PUBLIC:
            public_file = optarg;
            break;
        case 'h':
            fputs(help, stdout);
            return SA_EXIT_OK;
        default:
            return usage();
        }
    }
    if (make)
        return optind == argc && public_file == NULL ? init(key != NULL ? key : STOCK_KEY)
                                                     : usage();
    if (optind + 1 != argc || key != NULL)
        return usage();
    return seal(public_file != NULL ? public_file : STOCK_PUBLIC, argv[optind]);
}
