# SPDX-License-Identifier: Apache-2.0
# What apply does, without the requests: JSON values as Go has them, patches, the schemas that say how to
# merge, managed fields. No I/O.
sa_module(sa_ops_merge
  SOURCES
    ops/arena.c ops/val.c ops/val_parse.c ops/val_print.c ops/keys.c ops/gosort.c
    ops/schemas.c ops/openapi.c ops/openapi_compile.c ops/openapi_reach.c ops/openapi_builtin.c ops/schema.c
    ops/apply.c ops/apply_client.c ops/apply_server.c ops/jsonmerge.c ops/applied.c ops/managed.c
    ops/strategic_lists.c ops/strategic_diff.c ops/strategic_merge.c ops/strategic_merge_lists.c
  LINK sa_worker_bytes sa_base)
