/* SPDX-License-Identifier: Apache-2.0 */
/* How the config reader's answer is made: in the child alone. */
#ifndef SA_CONFIG_ANSWER_H
#define SA_CONFIG_ANSWER_H

#include "base/buf.h"
#include "config/load.h"
#include "config/reader.h"

/* The answer to what the sources hold; problems go into it. A configuration with errors makes an
 * answer that is not valid, and says why; -1 is for what kept the reader itself from working. */
int sa_config_answer_make(const struct sa_sources *sources, const uint8_t key[32],
                          struct sa_config_answer *out, struct sa_err **err);
int sa_config_answer_encode(const struct sa_config_answer *a, struct sa_buf *out,
                            struct sa_err **err);

#endif
