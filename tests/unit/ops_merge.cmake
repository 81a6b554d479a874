# SPDX-License-Identifier: Apache-2.0
# What the suite merge compares with Kubernetes' own libraries.
add_executable(ops_merge_answers ops_merge_answers.c)
target_link_libraries(ops_merge_answers PRIVATE sa_ops_merge)

sa_unit_test(ops_merge_test
  ops_merge_test.c ops_merge_openapi.c ops_merge_patches.c ops_merge_apply.c
  LINK sa_ops_merge)
sa_unit_test(worker_ops_apply worker_ops_apply.c worker_fake.c LINK sa_worker)
