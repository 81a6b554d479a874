# SPDX-License-Identifier: Apache-2.0
add_library(worker_bytes_oracle STATIC ${PROJECT_SOURCE_DIR}/tests/unit/worker_bytes_oracle.c)
target_link_libraries(worker_bytes_oracle PUBLIC sa_worker_bytes PkgConfig::CJSON)

foreach(what scrub secret frame event)
  sa_fuzz_target(fuzz_worker_bytes_${what} worker_bytes_${what}.c LINK worker_bytes_oracle)
endforeach()
