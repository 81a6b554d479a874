# SPDX-License-Identifier: Apache-2.0
# The HTTP client is tried against a server in Go; without Go those cases say that they are skipped.
find_program(GO go)
set(h2echo_dir ${PROJECT_SOURCE_DIR}/tests/rig/h2echo)
set(h2echo ${CMAKE_CURRENT_BINARY_DIR}/h2echo)

sa_unit_test(worker_http_test
  worker_http_test.c worker_http_kubeconfig.c worker_http_endpoint.c worker_http_credential.c
  worker_http_seal.c
  worker_http_exec.c worker_http_helper.c worker_http_client.c worker_http_faults.c
  worker_http_vault.c
  LINK sa_worker_http)
target_compile_definitions(worker_http_test PRIVATE
  SA_CERTS_SCRIPT="${CMAKE_CURRENT_SOURCE_DIR}/worker_http_certs.sh" SA_H2ECHO="${h2echo}")

if(GO)
  add_custom_command(OUTPUT ${h2echo}
    COMMAND ${CMAKE_COMMAND} -E env CGO_ENABLED=0 GOTOOLCHAIN=local ${GO} build -o ${h2echo} .
    WORKING_DIRECTORY ${h2echo_dir}
    DEPENDS ${h2echo_dir}/main.go ${h2echo_dir}/go.mod)
  add_custom_target(worker_http_h2echo DEPENDS ${h2echo})
  add_dependencies(worker_http_test worker_http_h2echo)
else()
  message(STATUS "go is not installed: the HTTP client's cases against a server are skipped")
endif()

add_executable(worker_http_memory worker_http_memory.c)
target_link_libraries(worker_http_memory PRIVATE sa_worker_http)
