# SPDX-License-Identifier: Apache-2.0
sa_fuzz_target(fuzz_config config_fuzz.c LINK sa_config)
sa_fuzz_target(fuzz_config_secret_ref config_secret_ref.c LINK sa_config)
