/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as configuration: as YAML alone, then as the files of a whole configuration (the input
 * is split at "\n%%\n" into main file, drop-in and accounts), and what loads must survive its way
 * through JSON. The last part is also read as the answer of the config reader.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "config/answer.h"
#include "config/load.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t key[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    sa_hash_init();
    return 0;
}

static void yaml_alone(const uint8_t *data, size_t size)
{
    struct sa_yaml *root = NULL;
    if (sa_yaml_parse(data, size, "fuzz", NULL, &root, NULL, NULL) == 0)
        sa_yaml_free(root);
    else if (root != NULL)
        abort();
}

/* The JSON that an account or the settings make must make the same again. */
static void round_trip(const struct sa_config_answer *a)
{
    for (size_t i = 0; i < a->n_accounts; i++) {
        struct sa_account account;
        char *again = NULL;
        if (sa_account_from_json(a->accounts[i].json, &account, NULL) != 0 ||
            sa_account_to_json(&account, &again, NULL) != 0 ||
            strcmp(again, a->accounts[i].json) != 0)
            abort();
        free(again);
        sa_account_free(&account);
    }
    struct sa_settings s;
    if (sa_settings_from_json(a->settings_json, &s, NULL) != 0)
        abort();
    sa_settings_free(&s);
}

static void whole(const uint8_t *data, size_t size)
{
    static const enum sa_source_role roles[] = {SA_SOURCE_MAIN, SA_SOURCE_DROP_IN,
                                                SA_SOURCE_ACCOUNT};
    static char names[3][8] = {"main", "drop-in", "account"};
    struct sa_source files[3];
    struct sa_sources sources = {.v = files};
    while (sources.n < 3) {
        const uint8_t *end = sources.n == 2 ? NULL : memmem(data, size, "\n%%\n", 4);
        size_t n = end == NULL ? size : (size_t)(end - data);
        char *bytes = malloc(n + 1);
        if (bytes == NULL)
            abort();
        if (n > 0)
            memcpy(bytes, data, n);
        bytes[n] = '\0';
        files[sources.n] = (struct sa_source){
            .path = names[sources.n], .role = roles[sources.n], .bytes = bytes, .n = n};
        sources.n++;
        if (end == NULL)
            break;
        data += n + 4;
        size -= n + 4;
    }
    struct sa_config_answer a = {0};
    if (sa_config_answer_make(&sources, key, &a, NULL) == 0 && a.valid)
        round_trip(&a);
    sa_config_answer_free(&a);
    for (size_t i = 0; i < sources.n; i++)
        free(files[i].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sa_config_answer a;
    yaml_alone(data, size);
    whole(data, size);
    if (sa_config_answer_parse(data, size, &a, NULL) == 0)
        sa_config_answer_free(&a);
    return 0;
}
