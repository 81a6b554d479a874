# SPDX-License-Identifier: Apache-2.0
# What rollout, logs and top make of the objects that they read. No I/O.
sa_module(sa_ops_workloads
  SOURCES ops/rollout.c ops/pods.c ops/usage.c ops/log_cut.c
  LINK sa_ops_merge sa_base)
