/* From scores to a ranking. */
#include <math.h>
#include <stdbool.h>

#include "penult/model.h"

/* Whether a goes before b. */
static bool before(pn_score a, pn_score b)
{
    const bool a_nan = isnan(a.probability), b_nan = isnan(b.probability);
    if (a_nan != b_nan) return b_nan;
    if (!a_nan && a.probability > b.probability) return true;
    if (!a_nan && a.probability < b.probability) return false;
    return a.index < b.index;
}

/* heap[0] goes after all others; restore that below i. */
static void sift_down(pn_score *heap, size_t n, size_t i)
{
    for (;;) {
        size_t last = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (before(heap[last], heap[child])) last = child;
        if (last == i) return;
        pn_score t = heap[i];
        heap[i] = heap[last];
        heap[last] = t;
        i = last;
    }
}

void pn_top_k(const float *scores, size_t n, pn_score *out, size_t k)
{
    if (k > n) k = n;
    if (!k) return;
    for (size_t i = 0; i < k; i++)
        out[i] = (pn_score){(uint32_t)i, scores[i]};
    for (size_t i = k / 2; i-- > 0;)
        sift_down(out, k, i);
    for (size_t i = k; i < n; i++) {
        const pn_score s = {(uint32_t)i, scores[i]};
        if (!before(s, out[0])) continue;
        out[0] = s;
        sift_down(out, k, 0);
    }
    for (size_t left = k; left-- > 1;) {
        pn_score t = out[0];
        out[0] = out[left];
        out[left] = t;
        sift_down(out, left, 0);
    }
}

void pn_softmax(float *x, size_t n)
{
    if (!n) return;
    float most = x[0];
    for (size_t i = 1; i < n; i++)
        most = x[i] > most || isnan(x[i]) ? x[i] : most;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        x[i] = expf(x[i] - most);
        sum += (double)x[i];
    }
    for (size_t i = 0; i < n; i++)
        x[i] = (float)((double)x[i] / sum);
}
