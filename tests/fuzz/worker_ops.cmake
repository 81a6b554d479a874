# SPDX-License-Identifier: Apache-2.0
sa_fuzz_target(fuzz_worker_ops_openapi worker_ops_openapi.c LINK sa_ops_merge)
sa_fuzz_target(fuzz_worker_ops_merge worker_ops_merge.c LINK sa_ops_merge)

# The worker of the unit tests, whose API server answers what it is told to; without Check's runner.
add_library(worker_fake STATIC ${PROJECT_SOURCE_DIR}/tests/unit/worker_fake.c)
target_link_libraries(worker_fake PUBLIC sa_worker)
target_include_directories(worker_fake PUBLIC ${PROJECT_SOURCE_DIR}/tests/unit)
sa_fuzz_target(fuzz_worker_ops_operation worker_ops_operation.c LINK worker_fake)
