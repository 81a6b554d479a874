/* SPDX-License-Identifier: Apache-2.0 */
/* Configuration files of a test: a directory that is made and removed with it. */
#ifndef CONFIG_FIXTURE_H
#define CONFIG_FIXTURE_H

#include "config/reader.h"

struct fixture {
    char dir[64];
    char main_file[96], local_file[96], drop_ins[96], accounts[96];
    const char *main_files[3], *drop_in_dirs[2], *account_dirs[2];
    struct sa_config_paths paths;
};
void fixture_make(struct fixture *f);
void fixture_remove(struct fixture *f);
/* Writes a file below the directory: "main.yml", "local.yml", "drop/10.yml", "accounts/a.yml". */
void fixture_write(const struct fixture *f, const char *name, const char *text);

/* Loads; the problems as lines, with the directory cut off. The caller frees both. */
int fixture_load(const struct fixture *f, struct sa_settings *s, char **problems);
/* Loads one main file that must be right, and says nothing. */
void fixture_accepts(const char *text, struct sa_settings *s);
/* Loads one main file that must be refused; some line of the problems must begin with want. */
void fixture_refuses(const char *text, const char *want);
/* Loads one main file that must be taken with a warning that contains want. */
void fixture_warns(const char *text, const char *want);

#endif
