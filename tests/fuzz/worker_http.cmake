# SPDX-License-Identifier: Apache-2.0
sa_fuzz_target(fuzz_worker_http_kubeconfig worker_http_kubeconfig.c LINK sa_worker_http)
sa_fuzz_target(fuzz_worker_http_exec worker_http_exec.c LINK sa_worker_http)
