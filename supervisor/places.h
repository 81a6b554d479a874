/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The places that configuration is read from. One that was there and is gone (a volume not mounted,
 * a directory moved away for a moment) is no order to remove all accounts that it named: the
 * configuration then counts as not valid until the place is back, empty if need be.
 */
#ifndef SA_SUPERVISOR_PLACES_H
#define SA_SUPERVISOR_PLACES_H

#include <stdbool.h>
#include <stdint.h>

#include "config/reader.h"

/* One bit for each place, in the order of the paths; places past 64 are not kept. */
uint64_t sa_places_present(const struct sa_config_paths *paths);
/* A place that is in was but not in now; NULL if there is none. */
const char *sa_places_lost(const struct sa_config_paths *paths, uint64_t was, uint64_t now);

#endif
