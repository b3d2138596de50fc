/* A byte has 256 values: what the record makes of each is worked out once. */
#include "penult/image.h"

void pn_normalizer_init(pn_normalizer *n, const pn_preprocess *p)
{
    for (int c = 0; c < 3; c++) {
        n->source[c] = p->channels == PN_CHANNELS_RGB ? 2 - c : c;
        for (int v = 0; v < 256; v++)
            n->table[c][v] = (float)((v * p->scale - p->mean[c]) / p->std[c]);
    }
}

void pn_normalizer_apply(const pn_normalizer *n, const uint8_t *bgr, float *out,
                         size_t n_pixels)
{
    const int s0 = n->source[0], s1 = n->source[1], s2 = n->source[2];
    for (size_t i = 0; i < n_pixels; i++, bgr += 3, out += 3) {
        out[0] = n->table[0][bgr[s0]];
        out[1] = n->table[1][bgr[s1]];
        out[2] = n->table[2][bgr[s2]];
    }
}
