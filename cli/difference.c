#include "cli/difference.h"

#include <math.h>

static double distance(double got, double want)
{
    if (got == want || (isnan(got) && isnan(want))) return 0;
    const double d = fabs(got - want);
    return isnan(d) ? HUGE_VAL : d;
}

void pn_difference_add(pn_difference *d, const float *got, const double *want, int64_t n,
                       int64_t first)
{
    for (int64_t i = 0; i < n; i++) {
        const double g = (double)got[i], w = want[i], off = distance(g, w);
        if (isnan(g) != isnan(w)) d->n_nan++;
        if (isfinite(w) && fabs(w) > d->max_want) d->max_want = fabs(w);
        d->squares += off * off;
        if (off > d->max_abs || d->n == 0) {
            d->max_abs = off;
            d->at = first + i;
            d->got = g;
            d->want = w;
        }
        d->n++;
    }
}

double pn_difference_relative(const pn_difference *d)
{
    if (d->max_abs == 0) return 0;
    return d->max_want > 0 ? d->max_abs / d->max_want : HUGE_VAL;
}

double pn_difference_rms(const pn_difference *d)
{
    return d->n ? sqrt(d->squares / (double)d->n) : 0;
}
