/*
 * The two passes with the one multiply-add that SSE2 has: pairs of 16-bit products,
 * summed in 32 bits. Weights come as high and low halves, so nothing is rounded on the
 * way; sums of halves may wrap, and the whole, which fits, comes out right all the same.
 */
#include "stages/transform/resample.h"

#include <emmintrin.h>
#include <string.h>

typedef struct sums {
    __m128i hi, lo;
} sums;

static __m128i both(const int16_t pair[2])
{
    int32_t v;
    memcpy(&v, pair, sizeof(v));
    return _mm_set1_epi32(v);
}

static void add_pairs(sums *s, __m128i pixels, __m128i hi, __m128i lo)
{
    s->hi = _mm_add_epi32(s->hi, _mm_madd_epi16(pixels, hi));
    s->lo = _mm_add_epi32(s->lo, _mm_madd_epi16(pixels, lo));
}

static __m128i finish(sums s)
{
    __m128i half = _mm_set1_epi32(1 << (PN_TAP_BITS - 1));
    __m128i v = _mm_add_epi32(_mm_slli_epi32(s.hi, PN_TAP_LO_BITS), s.lo);
    return _mm_srai_epi32(_mm_add_epi32(v, half), PN_TAP_BITS);
}

static __m128i load_pixel(const uint8_t *p)
{
    int32_t v;
    memcpy(&v, p, sizeof(v)); /* the fourth byte is its neighbour's, and is dropped */
    return _mm_cvtsi32_si128(v);
}

PN_DECL_RESAMPLE_X(pn_resample_x_sse2)
{
    const __m128i zero = _mm_setzero_si128();
    size_t pairs = ((size_t)a->max_taps + 1) / 2;
    for (int i = 0; i < a->n; i++, out += 3) {
        const uint8_t *p = row + (size_t)a->first[i] * 3;
        const pn_tap_pair *t = a->taps + pairs * (size_t)i;
        const pn_tap_pair *end = t + (a->n_taps[i] + 1) / 2;
        sums s = {zero, zero};
        for (; t < end; t++, p += 6) {
            __m128i two = _mm_unpacklo_epi8(load_pixel(p), load_pixel(p + 3));
            add_pairs(&s, _mm_unpacklo_epi8(two, zero), both(t->hi), both(t->lo));
        }
        __m128i v = _mm_packs_epi32(finish(s), zero);
        int32_t pixel = _mm_cvtsi128_si32(_mm_packus_epi16(v, zero));
        memcpy(out, &pixel, sizeof(pixel));
    }
}

/* bytes at..at+15 of the output row */
static void column16(uint8_t *out, const uint8_t *const *rows, const pn_tap_pair *taps,
                     int n_taps, size_t at)
{
    const __m128i zero = _mm_setzero_si128();
    sums s[4] = {{zero, zero}, {zero, zero}, {zero, zero}, {zero, zero}};
    for (int t = 0; t < n_taps; t += 2) {
        const pn_tap_pair *k = &taps[t / 2];
        const uint8_t *second = rows[t + 1 < n_taps ? t + 1 : t];
        __m128i hi = both(k->hi), lo = both(k->lo);
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(rows[t] + at));
        __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(second + at));
        __m128i left = _mm_unpacklo_epi8(a, b), right = _mm_unpackhi_epi8(a, b);
        add_pairs(&s[0], _mm_unpacklo_epi8(left, zero), hi, lo);
        add_pairs(&s[1], _mm_unpackhi_epi8(left, zero), hi, lo);
        add_pairs(&s[2], _mm_unpacklo_epi8(right, zero), hi, lo);
        add_pairs(&s[3], _mm_unpackhi_epi8(right, zero), hi, lo);
    }
    __m128i left = _mm_packs_epi32(finish(s[0]), finish(s[1]));
    __m128i right = _mm_packs_epi32(finish(s[2]), finish(s[3]));
    _mm_storeu_si128((__m128i *)(void *)(out + at), _mm_packus_epi16(left, right));
}

PN_DECL_RESAMPLE_Y(pn_resample_y_sse2)
{
    if (n_bytes < 16) {
        pn_resample_y_c(out, rows, taps, n_taps, n_bytes);
        return;
    }
    size_t at = 0;
    for (; at + 16 <= n_bytes; at += 16)
        column16(out, rows, taps, n_taps, at);
    if (at < n_bytes) column16(out, rows, taps, n_taps, n_bytes - 16);
}
