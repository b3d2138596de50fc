/* One number in, one number out: activations, what follows a convolution, and arithmetic
 * between two arrays. The comparisons are written so that NaN passes through. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "engine/kernels/kernels.h"

static inline float clamp(float v, float lo, float hi)
{
    v = v < lo ? lo : v;
    return v > hi ? hi : v;
}

/* Activations that are more than a clamp, x already clamped. */
static void act_row(float *y, size_t n, const pn_act *act)
{
    const float a = act->a, b = act->b;
    switch (act->kind) {
    case PN_ACT_CLAMP:
        break;
    case PN_ACT_LEAKY:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? a * y[i] : y[i];
        break;
    case PN_ACT_PRELU:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? act->slope[i] * y[i] : y[i];
        break;
    case PN_ACT_ELU:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] < 0 ? a * expm1f(y[i]) : y[i];
        break;
    case PN_ACT_SELU:
        for (size_t i = 0; i < n; i++)
            y[i] = b * (y[i] > 0 ? y[i] : a * expm1f(y[i]));
        break;
    case PN_ACT_SIGMOID:
        for (size_t i = 0; i < n; i++)
            y[i] = 1 / (1 + expf(-y[i]));
        break;
    case PN_ACT_HARD_SIGMOID:
        for (size_t i = 0; i < n; i++)
            y[i] = clamp(a * y[i] + b, 0, 1);
        break;
    case PN_ACT_HARD_SWISH:
        for (size_t i = 0; i < n; i++)
            y[i] *= clamp(y[i] * (1.0F / 6) + 0.5F, 0, 1);
        break;
    case PN_ACT_TANH:
        for (size_t i = 0; i < n; i++)
            y[i] = tanhf(y[i]);
        break;
    case PN_ACT_SOFTPLUS: /* log1p(e^x) without overflow */
        for (size_t i = 0; i < n; i++)
            y[i] = (y[i] > 0 ? y[i] : 0) + log1pf(expf(-fabsf(y[i])));
        break;
    case PN_ACT_SOFTSIGN:
        for (size_t i = 0; i < n; i++)
            y[i] = y[i] / (1 + fabsf(y[i]));
        break;
    case PN_ACT_EXP:
        for (size_t i = 0; i < n; i++)
            y[i] = expf(y[i]);
        break;
    case PN_ACT_LOG:
        for (size_t i = 0; i < n; i++)
            y[i] = logf(y[i]);
        break;
    case PN_ACT_SQRT:
        for (size_t i = 0; i < n; i++)
            y[i] = sqrtf(y[i]);
        break;
    case PN_ACT_ERF:
        for (size_t i = 0; i < n; i++)
            y[i] = erff(y[i]);
        break;
    case PN_ACT_NEG:
        for (size_t i = 0; i < n; i++)
            y[i] = -y[i];
        break;
    case PN_ACT_GELU:
        for (size_t i = 0; i < n; i++)
            y[i] = 0.5F * y[i] * (1 + erff(y[i] * 0.707106781186547524F));
        break;
    case PN_ACT_GELU_TANH: /* sqrt(2 / pi) (x + 0.044715 x^3) */
        for (size_t i = 0; i < n; i++)
            y[i] =
                0.5F * y[i] *
                (1 + tanhf(0.797884560802865356F * y[i] * (1 + 0.044715F * y[i] * y[i])));
        break;
    case PN_ACT_TRUNC:
        for (size_t i = 0; i < n; i++)
            y[i] = truncf(y[i]);
        break;
    case PN_ACT_WRAP:
        for (size_t i = 0; i < n; i++)
            y[i] -= 256 * floorf((y[i] - a) * (1.0F / 256));
        break;
    }
}

PN_DECL_ACT(pn_f32_act_c)
{
    const float lo = act->lo, hi = act->hi;
    for (size_t i = 0; i < n; i++)
        y[i] = clamp(x[i], lo, hi);
    if (act->kind != PN_ACT_CLAMP) act_row(y, n, act);
}

PN_DECL_AFFINE(pn_f32_affine_c)
{
    const float lo = act->lo, hi = act->hi;
    for (size_t i = 0; i < n; i++)
        y[i] = clamp(PN_FMA(x[i], scale[i], shift[i]), lo, hi);
    if (act->kind != PN_ACT_CLAMP) act_row(y, n, act);
}

static void epilogue_row(float *restrict y, const float *restrict bias,
                         const float *restrict r, size_t n, float lo, float hi)
{
    if (bias && r) {
        for (size_t i = 0; i < n; i++)
            y[i] = clamp(y[i] + bias[i] + r[i], lo, hi);
    } else if (bias) {
        for (size_t i = 0; i < n; i++)
            y[i] = clamp(y[i] + bias[i], lo, hi);
    } else if (r) {
        for (size_t i = 0; i < n; i++)
            y[i] = clamp(y[i] + r[i], lo, hi);
    } else {
        for (size_t i = 0; i < n; i++)
            y[i] = clamp(y[i], lo, hi);
    }
}

PN_DECL_EPILOGUE(pn_f32_epilogue_c)
{
    const pn_act *act = e->act;
    const bool clamps = act->lo > -INFINITY || act->hi < INFINITY;
    if (!e->bias && !e->r && !clamps && act->kind == PN_ACT_CLAMP) return;
    for (size_t i = 0; i < e->m; i++) {
        float *y = e->y + i * e->ldy;
        epilogue_row(y, e->bias, e->r ? e->r + i * e->ldr : NULL, e->n, act->lo, act->hi);
        if (act->kind != PN_ACT_CLAMP) act_row(y, e->n, act);
    }
}

static inline float binary_of(pn_binary f, float a, float b)
{
    switch (f) {
    case PN_BINARY_ADD:
        return a + b;
    case PN_BINARY_SUB:
        return a - b;
    case PN_BINARY_MUL:
        return a * b;
    case PN_BINARY_DIV:
        return a / b;
    case PN_BINARY_POW:
        return powf(a, b);
    case PN_BINARY_MAX:
        return a > b || a != a ? a : b;
    case PN_BINARY_MIN:
        return a < b || a != a ? a : b;
    case PN_BINARY_PRELU:
        return a < 0 ? a * b : a;
    }
    return 0;
}

/* f is a constant where this is inlined, so each case becomes a loop of its own. */
static inline void binary_rows(pn_binary f, float *y, const float *a, ptrdiff_t sa,
                               const float *b, ptrdiff_t sb, size_t n)
{
    if (sa == 1 && sb == 1) {
        for (size_t i = 0; i < n; i++)
            y[i] = binary_of(f, a[i], b[i]);
    } else if (sa == 1 && sb == 0) {
        const float v = *b;
        for (size_t i = 0; i < n; i++)
            y[i] = binary_of(f, a[i], v);
    } else {
        for (size_t i = 0; i < n; i++)
            y[i] = binary_of(f, a[(ptrdiff_t)i * sa], b[(ptrdiff_t)i * sb]);
    }
}

PN_DECL_BINARY(pn_f32_binary_c)
{
    switch (f) {
    case PN_BINARY_ADD:
        binary_rows(PN_BINARY_ADD, y, a, sa, b, sb, n);
        break;
    case PN_BINARY_SUB:
        binary_rows(PN_BINARY_SUB, y, a, sa, b, sb, n);
        break;
    case PN_BINARY_MUL:
        binary_rows(PN_BINARY_MUL, y, a, sa, b, sb, n);
        break;
    case PN_BINARY_DIV:
        binary_rows(PN_BINARY_DIV, y, a, sa, b, sb, n);
        break;
    case PN_BINARY_POW:
    case PN_BINARY_MAX:
    case PN_BINARY_MIN:
    case PN_BINARY_PRELU:
        binary_rows(f, y, a, sa, b, sb, n);
        break;
    }
}
