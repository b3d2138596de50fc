#include "stages/sink/result_format.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "base/sha256.h"
#include "base/utf8.h"

const char *const pn_result_db_names[PN_N_RESULT_DBS] = {
#define X(id, name) name,
    PN_RESULT_DBS(X)
#undef X
};

const char pn_result_schema[] =
    "{\"format\": \"" PN_RESULT_SCHEMA_NAME "\", \"version\": 1, "
    "\"byte_order\": \"little\", \"databases\": {"
    "\"features\": \"key -> float32 or float16 vector, see meta/features\", "
    "\"predictions\": \"key -> k x {u32 class, f32 probability}, descending\", "
    "\"errors\": \"key -> UTF-8 reason TAB text\", "
    "\"items\": \"key -> u32 version, u32 flags (1 failed, 2 has features, 4 float16), "
    "u64 XXH3-64 of the features value, u64 of the predictions or errors value, "
    "u32 n + n bytes of the full key (n = 0: the key is whole), "
    "u32 m + m float32 labels\", "
    "\"meta\": \"schema, config, model, labels, features, counts -> JSON\"}, "
    "\"long_keys\": \"over 511 bytes: the first 446, ~, 64 hex of the key's SHA-256\"}";

int pn_result_schema_version(const void *json, size_t size)
{
    if (size > 1 << 20) return 0;
    json_t *root = json_loadb(json, size, JSON_REJECT_DUPLICATES, NULL);
    const char *format = json_string_value(json_object_get(root, "format"));
    json_int_t version = json_integer_value(json_object_get(root, "version"));
    int out = format && !strcmp(format, PN_RESULT_SCHEMA_NAME) && version > 0 &&
                      version <= 1000000
                  ? (int)version
                  : 0;
    json_decref(root);
    return out;
}

size_t pn_stored_key(uint8_t out[PN_STORED_KEY_MAX], const void *key, size_t size)
{
    if (size <= PN_STORED_KEY_MAX) {
        if (size) memcpy(out, key, size);
        return size;
    }
    enum { HEAD = PN_STORED_KEY_MAX - (PN_SHA256_HEX - 1) - 1 };
    char hex[PN_SHA256_HEX];
    pn_sha256_hex(key, size, hex);
    memcpy(out, key, HEAD);
    out[HEAD] = '~';
    memcpy(out + HEAD + 1, hex, PN_SHA256_HEX - 1);
    return PN_STORED_KEY_MAX;
}

const char *pn_key_text(const void *key, size_t size, char *buf, size_t buf_size)
{
    const uint8_t *p = key;
    size_t used = 0;
    for (size_t i = 0; i < size;) {
        size_t n = pn_utf8_printable(p + i, size - i);
        size_t wide = n ? n : 4;
        if (used + wide + sizeof("...") > buf_size) {
            if (buf_size >= used + sizeof("...")) memcpy(buf + used, "...", 3), used += 3;
            break;
        }
        if (n)
            memcpy(buf + used, p + i, n);
        else
            snprintf(buf + used, buf_size - used, "\\x%02x", p[i]);
        used += wide;
        i += n ? n : 1;
    }
    if (buf_size) buf[used] = '\0';
    return buf;
}

size_t pn_clean_text(uint8_t *out, const char *text, size_t size)
{
    const uint8_t *p = (const uint8_t *)text;
    for (size_t i = 0; i < size;) {
        size_t n = pn_utf8_length(p + i, size - i);
        if (pn_utf8_printable(p + i, size - i))
            memcpy(out + i, p + i, n);
        else
            memset(out + i, n ? ' ' : '?', n ? n : 1);
        i += n ? n : 1;
    }
    return size;
}

uint16_t pn_f16_from_f32(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    uint32_t mag = bits & 0x7fffffff;
    if (mag > 0x7f800000) { /* a payload that lies in the low bits only must not vanish */
        uint16_t payload = (uint16_t)(mag >> 13 & 0x3ff);
        return (uint16_t)(sign | 0x7c00 | (payload ? payload : 1));
    }
    if (mag >= 0x47800000) return (uint16_t)(sign | 0x7c00); /* 65536 and above */
    if (mag >= 0x38800000) {             /* a normal binary16: 2^-14 and above */
        uint32_t r = mag - (112u << 23); /* exponent bias 127 to 15 */
        r += 0xfff + (r >> 13 & 1);
        return (uint16_t)(sign | r >> 13); /* 65520 and above carry into infinity */
    }
    uint32_t exponent = mag >> 23;
    if (exponent < 102) return sign; /* below half of the smallest, 2^-24 */
    uint32_t mantissa = (mag & 0x7fffff) | 0x800000, shift = 126 - exponent;
    uint32_t r = mantissa >> shift, rest = mantissa & ((1u << shift) - 1);
    uint32_t half = 1u << (shift - 1);
    if (rest > half || (rest == half && (r & 1))) r++;
    return (uint16_t)(sign | r);
}

float pn_f32_from_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t exponent = h >> 10 & 0x1f, mantissa = h & 0x3ff;
    if (exponent == 0) {
        float tiny = (float)mantissa * 0x1p-24f; /* exact */
        return sign ? -tiny : tiny;
    }
    uint32_t bits = sign | mantissa << 13;
    bits |= exponent == 31 ? 0x7f800000 : (exponent + 112) << 23;
    float x;
    memcpy(&x, &bits, sizeof(x));
    return x;
}

uint64_t pn_value_hash(const void *value, size_t size)
{
    return XXH3_64bits(value, size);
}

enum { RECORD_HEAD = 4 + 4 + 8 + 8 };

size_t pn_item_record_size(size_t full_key_size, size_t n_labels)
{
    size_t size;
    if (full_key_size > UINT32_MAX || n_labels > UINT32_MAX ||
        __builtin_mul_overflow(n_labels, sizeof(float), &size) ||
        __builtin_add_overflow(size, full_key_size, &size) ||
        __builtin_add_overflow(size, (size_t)RECORD_HEAD + 8, &size))
        return 0;
    return size;
}

void pn_item_record_put(uint8_t *out, const pn_item_record *r, const float *labels)
{
    pn_put_u32(out, PN_RESULT_VERSION);
    pn_put_u32(out + 4, r->flags);
    pn_put_u64(out + 8, r->features_hash);
    pn_put_u64(out + 16, r->other_hash);
    uint8_t *p = out + RECORD_HEAD;
    pn_put_u32(p, (uint32_t)r->full_key_size);
    p += 4;
    if (r->full_key_size) memcpy(p, r->full_key, r->full_key_size);
    p += r->full_key_size;
    pn_put_u32(p, (uint32_t)r->n_labels);
    p += 4;
    for (size_t i = 0; i < r->n_labels; i++)
        pn_put_f32(p + 4 * i, labels[i]);
}

const char *pn_item_record_get(pn_item_record *out, const void *value, size_t size)
{
    const uint8_t *p = value;
    if (size < RECORD_HEAD + 8) return "the items value is too short";
    if (pn_get_u32(p) != PN_RESULT_VERSION) return "the items value's version is not 1";
    pn_item_record r = {.flags = pn_get_u32(p + 4),
                        .features_hash = pn_get_u64(p + 8),
                        .other_hash = pn_get_u64(p + 16),
                        .full_key_size = pn_get_u32(p + RECORD_HEAD)};
    size_t left = size - RECORD_HEAD - 4;
    if (r.full_key_size > left - 4)
        return "the full key reaches past the end of the items value";
    r.full_key = p + RECORD_HEAD + 4;
    left -= r.full_key_size;
    r.n_labels = pn_get_u32(r.full_key + r.full_key_size);
    r.label_bytes = r.full_key + r.full_key_size + 4;
    if ((left - 4) % sizeof(float) || r.n_labels != (left - 4) / sizeof(float))
        return "the labels do not fill the rest of the items value";
    *out = r;
    return NULL;
}
