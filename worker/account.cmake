# SPDX-License-Identifier: Apache-2.0
# One account: what is followed, the table, the session with the other side, and the process itself.
sa_module(sa_worker
  SOURCES
    open.c reach.c discovery.c discovery_parse.c kinds.c access.c plan.c
    scope.c list.c watch.c intake.c madeup.c
    session.c welcome.c batch.c compare.c snapshot.c resolve.c checkpoint.c
    fingerprint.c
    turn.c report.c describe.c link.c worker.c prepare.c
    ops/mapping.c ops/ids.c
    ops/engine.c ops/engine_order.c ops/engine_request.c ops/engine_kinds.c
    ops/engine_object.c ops/engine_result.c ops/engine_words.c ops/relay.c
    ops/manifest.c ops/selector.c ops/pages.c
    ops/op_get.c ops/op_list.c ops/op_apply.c ops/apply_way.c ops/op_create.c ops/op_patch.c
    ops/op_delete.c ops/op_scale.c ops/op_rollout.c ops/op_logs.c ops/op_top.c ops/local.c
  LINK sa_ops_merge sa_ops_workloads sa_worker_bytes sa_worker_http sa_ipc sa_config sa_proto sa_base
       PkgConfig::CJSON
       PkgConfig::CURL PkgConfig::OPENSSL)
