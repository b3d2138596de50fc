/** @file sha256.h  SHA-256, by nettle (it uses the CPU's instructions for it). */
#ifndef PN_BASE_SHA256_H
#define PN_BASE_SHA256_H

#include <stddef.h>

#define PN_SHA256_HEX 65 /**< 64 hex digits and a NUL */

/** Lower-case hex of the digest of `size` bytes. */
void pn_sha256_hex(const void *data, size_t size, char hex[PN_SHA256_HEX]);

#endif
