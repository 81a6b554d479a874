# SPDX-License-Identifier: Apache-2.0
sa_unit_test(worker_test
  worker_test.c worker_fake.c worker_discovery.c worker_kinds.c worker_plan.c worker_describe.c
  worker_filter.c worker_list.c worker_watch.c worker_session.c worker_compare.c worker_resolve.c
  worker_races.c worker_random.c worker_fingerprint.c worker_opening.c
  LINK sa_worker)
sa_unit_test(worker_link_test worker_link_test.c LINK sa_worker nng::nng)
sa_unit_test(worker_workloads worker_workloads.c LINK sa_ops_workloads)
sa_unit_test(worker_ops_test worker_ops.c worker_ops_parts.c worker_ops_verbs.c worker_fake.c LINK sa_worker)
sa_unit_test(worker_process_test worker_process_test.c config_fixture.c LINK sa_worker)
