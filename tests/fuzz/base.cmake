# SPDX-License-Identifier: Apache-2.0
sa_fuzz_target(fuzz_base_seal base_seal.c LINK sa_base)
