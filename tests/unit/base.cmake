# SPDX-License-Identifier: Apache-2.0
sa_unit_test(base_test base_test.c base_test_buf.c base_test_loop.c base_test_log.c base_test_process.c
  base_test_environment.c
  LINK sa_base)
sa_unit_test(base_sandbox_test base_sandbox_test.c base_sandbox_attempts.c base_sandbox_works.c
  LINK sa_base PkgConfig::CURL nng::nng PkgConfig::SQLITE PkgConfig::MICROHTTPD)
sa_unit_test(base_seal base_seal.c LINK sa_base)
