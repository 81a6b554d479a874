# SPDX-License-Identifier: Apache-2.0
# What is done to bytes and tables: no I/O, nothing but base below it.
sa_module(sa_worker_bytes
  SOURCES
    json.c json_members.c json_keys.c json_brace.c
    scrub.c scrub_pass.c scrub_event.c redact.c
    frame.c frame_meta.c table.c table_slots.c dirty.c
  LINK sa_base)

if(SA_TESTS)
  add_executable(scrub_bench EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/tests/bench/scrub_bench.c)
  target_link_libraries(scrub_bench PRIVATE sa_worker_bytes PkgConfig::CJSON)
endif()
