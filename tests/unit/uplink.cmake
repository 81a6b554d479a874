# SPDX-License-Identifier: Apache-2.0
sa_unit_test(uplink_bytes_test uplink_bytes_test.c LINK sa_uplink)
sa_unit_test(uplink_cache_test uplink_cache_test.c uplink_cache_fixture.c uplink_messages.c
             LINK sa_uplink)
sa_unit_test(uplink_intake_test uplink_intake_test.c LINK sa_uplink nng::nng)
