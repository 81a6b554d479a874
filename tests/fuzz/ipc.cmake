# SPDX-License-Identifier: Apache-2.0
sa_fuzz_target(ipc_fuzz ipc_fuzz.c LINK sa_ipc)
