# SPDX-License-Identifier: Apache-2.0
# How every C file of the project is compiled: C17, warnings are errors (but in packages, which compilers of
# later years build as well), hardened.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(sa_flags INTERFACE)
target_compile_definitions(sa_flags INTERFACE _GNU_SOURCE SA_VERSION="${PROJECT_VERSION}")
target_include_directories(sa_flags INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_BINARY_DIR})
target_compile_options(sa_flags INTERFACE
  -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Wformat=2
  -Wundef -Wpointer-arith -Wwrite-strings
  -fno-strict-aliasing -fstack-protector-strong -fno-common)
if(SA_WERROR)
  target_compile_options(sa_flags INTERFACE -Werror)
endif()
target_link_options(sa_flags INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack)

if(SA_SANITIZE)
  target_compile_options(sa_flags INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1)
  target_link_options(sa_flags INTERFACE -fsanitize=address,undefined)
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
  target_compile_options(sa_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2)
endif()
if(SA_FUZZ)
  target_compile_options(sa_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(SA_COVERAGE)
  target_compile_options(sa_flags INTERFACE --coverage -O0)
  target_link_options(sa_flags INTERFACE --coverage)
endif()
