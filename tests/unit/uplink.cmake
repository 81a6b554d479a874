# SPDX-License-Identifier: Apache-2.0
sa_unit_test(uplink_bytes_test uplink_bytes_test.c LINK sa_uplink)
sa_unit_test(uplink_cache_test uplink_cache_test.c uplink_cache_scopes.c uplink_cache_fixture.c
             uplink_messages.c LINK sa_uplink)
sa_unit_test(uplink_intake_test uplink_intake_test.c uplink_intake_guests.c uplink_intake_rig.c
             LINK sa_uplink nng::nng)
sa_unit_test(uplink_jsonl_test uplink_jsonl_test.c uplink_messages.c
             LINK sa_uplink PkgConfig::CJSON)
sa_unit_test(uplink_router_test uplink_router_test.c uplink_messages.c LINK sa_uplink)
sa_unit_test(uplink_stress_test uplink_stress_test.c LINK sa_uplink)
# Against the peer in Python; status 77 says that it can't be run here.
sa_unit_test(uplink_grpc_test uplink_grpc_test.c uplink_grpc_fixture.c uplink_messages.c
             LINK sa_uplink)
set_tests_properties(uplink_grpc_test PROPERTIES SKIP_RETURN_CODE 77 LABELS "unit;peer")
# Both sides of the data channel at once.
sa_unit_test(wide_test wide_test.c worker_fake.c LINK sa_worker sa_uplink)
