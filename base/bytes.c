#include "base/bytes.h"

#include <string.h>

void pn_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)v;
    p[1] = (uint8_t)(v >> 8);
}

void pn_put_u32(uint8_t *p, uint32_t v)
{
    pn_put_u16(p, (uint16_t)v);
    pn_put_u16(p + 2, (uint16_t)(v >> 16));
}

void pn_put_u64(uint8_t *p, uint64_t v)
{
    pn_put_u32(p, (uint32_t)v);
    pn_put_u32(p + 4, (uint32_t)(v >> 32));
}

void pn_put_f32(uint8_t *p, float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    pn_put_u32(p, bits);
}

uint16_t pn_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

uint32_t pn_get_u32(const uint8_t *p)
{
    return pn_get_u16(p) | (uint32_t)pn_get_u16(p + 2) << 16;
}

uint64_t pn_get_u64(const uint8_t *p)
{
    return pn_get_u32(p) | (uint64_t)pn_get_u32(p + 4) << 32;
}

float pn_get_f32(const uint8_t *p)
{
    uint32_t bits = pn_get_u32(p);
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}
