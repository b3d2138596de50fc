/* The two passes of a resize, written plainly: what every faster variant is held to. */
#include "stages/transform/resample.h"

#define HALF (1 << (PN_TAP_BITS - 1))
#define BLOCK 64

static int32_t tap(const pn_tap_pair *taps, int i)
{
    const pn_tap_pair *p = &taps[i / 2];
    return p->hi[i % 2] * (1 << PN_TAP_LO_BITS) + p->lo[i % 2];
}

static uint8_t to_byte(int32_t sum)
{
    sum >>= PN_TAP_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

PN_DECL_RESAMPLE_X(pn_resample_x_c)
{
    size_t pairs = ((size_t)a->max_taps + 1) / 2;
    for (int i = 0; i < a->n; i++, out += 3) {
        const uint8_t *p = row + (size_t)a->first[i] * 3;
        const pn_tap_pair *taps = a->taps + pairs * (size_t)i;
        int32_t b = HALF, g = HALF, r = HALF;
        for (int t = 0; t < a->n_taps[i]; t++, p += 3) {
            int32_t k = tap(taps, t);
            b += p[0] * k;
            g += p[1] * k;
            r += p[2] * k;
        }
        out[0] = to_byte(b);
        out[1] = to_byte(g);
        out[2] = to_byte(r);
    }
}

PN_DECL_RESAMPLE_Y(pn_resample_y_c)
{
    for (size_t at = 0; at < n_bytes; at += BLOCK) {
        size_t n = n_bytes - at < BLOCK ? n_bytes - at : BLOCK;
        int32_t sum[BLOCK];
        for (size_t i = 0; i < n; i++)
            sum[i] = HALF;
        for (int t = 0; t < n_taps; t++) {
            const uint8_t *row = rows[t] + at;
            int32_t k = tap(taps, t);
            for (size_t i = 0; i < n; i++)
                sum[i] += row[i] * k;
        }
        for (size_t i = 0; i < n; i++)
            out[at + i] = to_byte(sum[i]);
    }
}
