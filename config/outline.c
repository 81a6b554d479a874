/* SPDX-License-Identifier: Apache-2.0 */
#include "config/outline.h"

#include <string.h>

bool sa_outline_put(cJSON *root, const char *path, cJSON *v)
{
    char part[128];
    for (;;) {
        size_t n = strcspn(path, ".");
        if (n >= sizeof part)
            break;
        memcpy(part, path, n);
        part[n] = '\0';
        if (path[n] == '\0') {
            if (cJSON_AddItemToObject(root, part, v))
                return true;
            break;
        }
        cJSON *next = cJSON_GetObjectItemCaseSensitive(root, part);
        if (next == NULL)
            next = cJSON_AddObjectToObject(root, part);
        if (next == NULL)
            break;
        root = next;
        path += n + 1;
    }
    cJSON_Delete(v);
    return false;
}
