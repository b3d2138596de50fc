/* nettle, called from here only. */
#include "base/sha256.h"

#include <stdint.h>
#include <stdio.h>

#include <nettle/sha2.h>

void pn_sha256_hex(const void *data, size_t size, char hex[PN_SHA256_HEX])
{
    struct sha256_ctx ctx;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&ctx);
    sha256_update(&ctx, size, data);
    sha256_digest(&ctx, sizeof(digest), digest);
    for (int i = 0; i < SHA256_DIGEST_SIZE; i++)
        snprintf(hex + 2 * i, 3, "%02x", digest[i]);
}
