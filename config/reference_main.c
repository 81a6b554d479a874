/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the manual takes from the table of keys: a program of the build, not installed. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/print.h"

int main(int argc, char **argv)
{
    struct sa_buf out;
    sa_buf_init(&out, 0);
    int r = -1;
    if (argc == 2 && strcmp(argv[1], "mdoc") == 0)
        r = sa_config_reference_mdoc(&out, NULL);
    else if (argc == 2 && strcmp(argv[1], "markdown") == 0)
        r = sa_config_reference_markdown(&out, NULL);
    else if (argc == 2 && strcmp(argv[1], "schema") == 0)
        r = sa_config_schema(&out, NULL);
    else
        fprintf(stderr, "usage: %s mdoc|markdown|schema\n", argv[0]);
    if (r == 0 && (fwrite(out.data, 1, out.len, stdout) != out.len || fflush(stdout) != 0))
        r = -1;
    sa_buf_free(&out);
    return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
