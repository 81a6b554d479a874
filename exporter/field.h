/* SPDX-License-Identifier: Apache-2.0 */
/* Members of the JSON of `status`, by name. */
#ifndef SA_EXPORTER_FIELD_H
#define SA_EXPORTER_FIELD_H

#include <cjson/cJSON.h>

/* NULL if object has none of that name. */
static inline const cJSON *sa_field(const cJSON *object, const char *name)
{
    return cJSON_GetObjectItemCaseSensitive(object, name);
}

/* "" if it is no text; valid as long as object. */
static inline const char *sa_field_text(const cJSON *object, const char *name)
{
    const cJSON *v = sa_field(object, name);

    return cJSON_IsString(v) ? v->valuestring : "";
}

/* 1 for true; 0 if it is neither that nor a number. */
static inline double sa_field_number(const cJSON *object, const char *name)
{
    const cJSON *v = sa_field(object, name);

    return cJSON_IsNumber(v) ? v->valuedouble : cJSON_IsTrue(v) ? 1 : 0;
}

#endif
