# SPDX-License-Identifier: Apache-2.0
sa_unit_test(ipc_test ipc_test.c ipc_test_control.c LINK sa_ipc)
