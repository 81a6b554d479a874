# SPDX-License-Identifier: Apache-2.0
sa_unit_test(worker_bytes_test
  worker_bytes_test.c worker_bytes_json.c worker_bytes_scrub.c worker_bytes_secret.c
  worker_bytes_redact.c worker_bytes_event.c worker_bytes_frame.c worker_bytes_table.c
  worker_bytes_model.c worker_bytes_dirty.c worker_bytes_oracle.c
  LINK sa_worker_bytes PkgConfig::CJSON)
