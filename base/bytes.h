/** @file bytes.h  Numbers at any address, little-endian. */
#ifndef PN_BASE_BYTES_H
#define PN_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void pn_put_u16(uint8_t *p, uint16_t v);
void pn_put_u32(uint8_t *p, uint32_t v);
void pn_put_u64(uint8_t *p, uint64_t v);
void pn_put_f32(uint8_t *p, float v);
uint16_t pn_get_u16(const uint8_t *p);
uint32_t pn_get_u32(const uint8_t *p);
uint64_t pn_get_u64(const uint8_t *p);
float pn_get_f32(const uint8_t *p);

/** Whether `at` is one of the `size` bytes. */
static inline bool pn_bytes_hold(const void *bytes, size_t size, const void *at)
{
    return (uintptr_t)at - (uintptr_t)bytes < size;
}

#endif
