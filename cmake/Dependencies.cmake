# SPDX-License-Identifier: Apache-2.0
# What the project stands on, each at the version of Debian 12 or newer.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(CURL REQUIRED IMPORTED_TARGET libcurl>=7.88)
pkg_check_modules(CJSON REQUIRED IMPORTED_TARGET libcjson>=1.7.15)
pkg_check_modules(YAML REQUIRED IMPORTED_TARGET yaml-0.1>=0.2.5)
pkg_check_modules(SODIUM REQUIRED IMPORTED_TARGET libsodium>=1.0.18)
pkg_check_modules(PROTOBUFC REQUIRED IMPORTED_TARGET libprotobuf-c>=1.4)
pkg_check_modules(SECCOMP REQUIRED IMPORTED_TARGET libseccomp>=2.5.4)
pkg_check_modules(SYSTEMD REQUIRED IMPORTED_TARGET libsystemd>=252)
pkg_check_modules(SQLITE REQUIRED IMPORTED_TARGET sqlite3>=3.40)
pkg_check_modules(MICROHTTPD REQUIRED IMPORTED_TARGET libmicrohttpd>=0.9.75)
pkg_check_modules(OPENSSL REQUIRED IMPORTED_TARGET openssl>=3.0)
find_program(PROTOC_C protoc-c REQUIRED)
if(SA_TESTS)
  pkg_check_modules(CHECK REQUIRED IMPORTED_TARGET check>=0.15)
  # ipc/sp.c speaks nng's protocol itself; nng is what the tests hold it against. Debian's libnng-dev has a
  # CMake package but no pkg-config file.
  find_package(nng 1.5 REQUIRED)
endif()

# sa_module(NAME SOURCES... LINK libraries...): one folder's static library.
function(sa_module name)
  cmake_parse_arguments(M "" "" "SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${M_SOURCES})
  target_link_libraries(${name} PUBLIC sa_flags ${M_LINK})
endfunction()
