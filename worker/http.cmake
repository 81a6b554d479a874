# SPDX-License-Identifier: Apache-2.0
sa_module(sa_worker_http
  SOURCES http.c http_multi.c http_request.c http_tls.c http_probe.c http_status.c http_endpoint.c
          credential.c credential_open.c credential_files.c credential_identity.c
          credential_seal.c credential_secret.c kubeconfig.c kubeconfig_user.c exec_client.c exec_credential.c
          exec_run.c exec_info.c helper.c helper_store.c
          secret_http.c secret_value.c secret_store.c secret_vault.c secret_kube.c secret_aws.c
          secret_aws_login.c secret_gcp.c
  LINK sa_config sa_ipc sa_base sa_pem PkgConfig::CURL PkgConfig::CJSON PkgConfig::OPENSSL
       PkgConfig::SODIUM)
