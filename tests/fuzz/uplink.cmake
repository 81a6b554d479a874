# SPDX-License-Identifier: Apache-2.0
add_library(uplink_messages STATIC ${PROJECT_SOURCE_DIR}/tests/unit/uplink_messages.c)
target_link_libraries(uplink_messages PUBLIC sa_uplink)

sa_fuzz_target(uplink_frames_fuzz uplink_frames_fuzz.c LINK sa_uplink)
sa_fuzz_target(uplink_cache_fuzz uplink_cache_fuzz.c LINK uplink_messages)
sa_fuzz_target(uplink_relay_fuzz uplink_relay_fuzz.c LINK sa_uplink)
