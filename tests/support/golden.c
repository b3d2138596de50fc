/* golden.c  The generator and the yardstick of the goldens. */
#include "tests/support/golden.h"

#include <math.h>
#include <stdio.h>

#include "penult/convert.h"

static uint64_t splitmix64(uint64_t seed, uint64_t i)
{
    uint64_t z = seed + (i + 1) * UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void pn_golden_input(float *x, size_t n, uint64_t seed, double shift, double scale)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(((double)(splitmix64(seed, i) >> 56) - shift) * scale);
}

double pn_golden_distance(const float *a, const double *b, size_t n)
{
    double top = 0, off = 0;
    for (size_t i = 0; i < n; i++) {
        double d = fabs((double)a[i] - b[i]);
        if (isnan(d)) return INFINITY;
        if (d > off) off = d;
        if (fabs(b[i]) > top) top = fabs(b[i]);
    }
    if (off == 0) return 0;
    return top > 0 ? off / top : INFINITY;
}

pn_status pn_golden_graph(pn_graph **out, const char *name, const char *input_shape)
{
    char symbol[512], params[512];
    snprintf(symbol, sizeof(symbol),
             PN_SOURCE_DIR "/tests/golden/mxnet/%s/net-symbol.json", name);
    snprintf(params, sizeof(params),
             PN_SOURCE_DIR "/tests/golden/mxnet/%s/net-0000.params", name);
    const char *inputs[] = {symbol, params};
    const pn_convert_opts o = {.inputs = inputs,
                               .n_inputs = 2,
                               .input_shapes = &input_shape,
                               .n_input_shapes = 1};
    return pn_convert(out, &o, NULL);
}
