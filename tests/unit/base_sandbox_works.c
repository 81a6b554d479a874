/* SPDX-License-Identifier: Apache-2.0 */
#include "base_sandbox_test.h"
TCase *sandbox_works(void)
{
    return tcase_create("works");
}
