/* SPDX-License-Identifier: Apache-2.0 */
/* SA_ASAN: 1 in a build with AddressSanitizer, which gcc and clang tell in two ways. */
#ifndef SA_BASE_ASAN_H
#define SA_BASE_ASAN_H

#if defined(__SANITIZE_ADDRESS__)
#define SA_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define SA_ASAN 1
#endif
#endif
#ifndef SA_ASAN
#define SA_ASAN 0
#endif

#endif
