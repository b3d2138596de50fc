/* Known numbers from known numbers. Integers may hold the batch: what cannot be said as
 * fixed + batch * N is not known. Floats are computed in double and rounded once, which
 * for these operations is what computing in float gives. */
#include "model/fold.h"

#include <math.h>
#include <string.h>

static bool is_float(pn_dtype t)
{
    return t == PN_F32 || t == PN_F64;
}

static double get_float(const pn_known *k, int64_t i)
{
    float f;
    double d;
    if (k->dtype == PN_F32) {
        memcpy(&f, k->data + (size_t)i * sizeof(f), sizeof(f));
        return (double)f;
    }
    memcpy(&d, k->data + (size_t)i * sizeof(d), sizeof(d));
    return d;
}

static void put_float(pn_fold_job *f, int64_t i, double d)
{
    float rounded = (float)d;
    if (f->out.dtype == PN_F32)
        memcpy(f->to + (size_t)i * sizeof(rounded), &rounded, sizeof(rounded));
    else
        memcpy(f->to + (size_t)i * sizeof(d), &d, sizeof(d));
}

/* into the type of the output; false: it does not fit */
static bool put_int(pn_fold_job *f, int64_t i, const pn_affine *a)
{
    size_t size = pn_dtype_size(f->out.dtype);
    if (!f->out.has_batch && size < 8 && f->out.dtype != PN_BOOL) {
        bool is_signed =
            f->out.dtype == PN_I8 || f->out.dtype == PN_I16 || f->out.dtype == PN_I32;
        int bits = (int)size * 8 - is_signed;
        int64_t high = ((int64_t)1 << bits) - 1, low = is_signed ? -high - 1 : 0;
        if (a->fixed < low || a->fixed > high) return false;
    }
    pn_fold_put(f, i, a);
    return true;
}

static bool is_fixed(const pn_affine *a)
{
    return !a->batch && !a->image;
}

static bool times(const pn_affine *a, int64_t b, pn_affine *out)
{
    return !__builtin_mul_overflow(a->fixed, b, &out->fixed) &&
           !__builtin_mul_overflow(a->batch, b, &out->batch) &&
           !__builtin_mul_overflow(a->image, b, &out->image);
}

static bool plus(const pn_affine *a, const pn_affine *b, pn_affine *out)
{
    return !__builtin_add_overflow(a->fixed, b->fixed, &out->fixed) &&
           !__builtin_add_overflow(a->batch, b->batch, &out->batch) &&
           !__builtin_add_overflow(a->image, b->image, &out->image);
}

/* towards zero; a batch only where nothing is left over */
static bool divide(const pn_affine *a, int64_t b, pn_affine *out)
{
    if (b == 0 || (b == -1 && (a->fixed == INT64_MIN || !is_fixed(a)))) return false;
    if (!is_fixed(a) && (a->fixed % b || a->batch % b || a->image % b)) return false;
    *out = (pn_affine){a->fixed / b, a->batch / b, a->image / b};
    return true;
}

static bool modulo(const pn_node *n, int64_t a, int64_t b, int64_t *out)
{
    if (b == 0) return false;
    *out = b == -1 ? 0 : a % b;
    if (*out && !pn_node_int(n, "fmod", 0) && (*out < 0) != (b < 0)) *out += b;
    return true;
}

static bool equal(const pn_affine *a, const pn_affine *b, bool *out)
{
    pn_affine d, minus;
    if (!times(b, -1, &minus) || !plus(a, &minus, &d)) return false;
    *out = is_fixed(&d) && d.fixed == 0;
    if (is_fixed(&d)) return true;
    /* there is at least one image */
    int64_t least;
    return !d.image && d.batch > 0 && !__builtin_add_overflow(d.fixed, d.batch, &least) &&
           least > 0;
}

static bool binary_int(const pn_node *n, const pn_affine *a, const pn_affine *b,
                       pn_affine *out)
{
    bool both = is_fixed(a) && is_fixed(b), same;
    pn_affine minus;
    *out = (pn_affine){0};
    switch (n->op) {
    case PN_OP_ADD:
        return plus(a, b, out);
    case PN_OP_SUB:
        return times(b, -1, &minus) && plus(a, &minus, out);
    case PN_OP_MUL:
        return is_fixed(b) ? times(a, b->fixed, out)
                           : is_fixed(a) && times(b, a->fixed, out);
    case PN_OP_DIV:
        return is_fixed(b) && divide(a, b->fixed, out);
    case PN_OP_MOD:
        return both && modulo(n, a->fixed, b->fixed, &out->fixed);
    case PN_OP_EQUAL:
        if (!equal(a, b, &same)) return false;
        out->fixed = same;
        return true;
    case PN_OP_MAX:
        out->fixed = a->fixed > b->fixed ? a->fixed : b->fixed;
        return both;
    case PN_OP_MIN:
        out->fixed = a->fixed < b->fixed ? a->fixed : b->fixed;
        return both;
    default:
        return false;
    }
}

static bool binary_float(pn_op op, double a, double b, double *out)
{
    switch (op) {
    case PN_OP_ADD:
        *out = a + b;
        return true;
    case PN_OP_SUB:
        *out = a - b;
        return true;
    case PN_OP_MUL:
        *out = a * b;
        return true;
    case PN_OP_DIV:
        *out = a / b;
        return true;
    case PN_OP_POW:
        *out = pow(a, b);
        return true;
    case PN_OP_MAX:
        *out = a > b || a != a ? a : b;
        return true;
    case PN_OP_MIN:
        *out = a < b || a != a ? a : b;
        return true;
    default:
        return false;
    }
}

bool pn_fold_binary(pn_fold_job *f)
{
    if (f->n_in != 2 || f->in[0].dtype != f->in[1].dtype) return false;
    pn_odometer o;
    int64_t count = pn_shape_count(&f->out.shape);
    pn_odometer_init(&o, &f->out.shape);
    pn_odometer_broadcast(&o, 0, &f->in[0].shape);
    pn_odometer_broadcast(&o, 1, &f->in[1].shape);
    for (int64_t i = 0; i < count; i++, pn_odometer_next(&o)) {
        if (is_float(f->in[0].dtype)) {
            double d;
            if (!binary_float(f->node->op, get_float(&f->in[0], o.pos[0]),
                              get_float(&f->in[1], o.pos[1]), &d))
                return false;
            put_float(f, i, d);
        } else {
            pn_affine a, b, c;
            if (!pn_known_int(&f->in[0], o.pos[0], &a) ||
                !pn_known_int(&f->in[1], o.pos[1], &b) ||
                !binary_int(f->node, &a, &b, &c) || !put_int(f, i, &c))
                return false;
        }
    }
    return true;
}

bool pn_fold_unary(pn_fold_job *f)
{
    const pn_op op = f->node->op;
    int64_t count = pn_shape_count(&f->out.shape);
    for (int64_t i = 0; i < count; i++) {
        if (is_float(f->in[0].dtype)) {
            double d = get_float(&f->in[0], i);
            put_float(f, i,
                      op == PN_OP_NEG     ? -d
                      : op == PN_OP_SQRT  ? sqrt(d)
                      : op == PN_OP_FLOOR ? floor(d)
                                          : ceil(d));
        } else {
            pn_affine a, b;
            if (op != PN_OP_NEG || !pn_known_int(&f->in[0], i, &a) ||
                !times(&a, -1, &b) || !put_int(f, i, &b))
                return false;
        }
    }
    return true;
}

/* Of a list of integers: how many elements a shape has, as tf2onnx spells it. */
bool pn_fold_product(pn_fold_job *f)
{
    const pn_known *x = &f->in[0];
    if (x->shape.ndim != 1 || pn_shape_count(&f->out.shape) != 1) return false;
    pn_affine product = {.fixed = 1}, a;
    for (int64_t i = 0; i < x->shape.dim[0]; i++) {
        if (!pn_known_int(x, i, &a)) return false;
        const pn_affine before = product;
        if (is_fixed(&a) ? !times(&before, a.fixed, &product)
                         : !is_fixed(&before) || !times(&a, before.fixed, &product))
            return false;
    }
    return put_int(f, 0, &product);
}

bool pn_fold_cast(pn_fold_job *f)
{
    const pn_known *x = &f->in[0];
    if (!is_float(f->out.dtype) && !pn_known_is_whole(f->out.dtype)) return false;
    int64_t count = pn_shape_count(&f->out.shape);
    for (int64_t i = 0; i < count; i++) {
        pn_affine a = {0};
        double d;
        if (is_float(x->dtype)) {
            d = get_float(x, i);
            if (is_float(f->out.dtype)) {
                put_float(f, i, d);
                continue;
            }
            if (!(fabs(d) < 0x1p62)) return false;
            a.fixed = f->out.dtype == PN_BOOL ? d != 0 : (int64_t)d;
        } else {
            if (!pn_known_int(x, i, &a)) return false;
            if (is_float(f->out.dtype)) {
                put_float(f, i, (double)a.fixed);
                continue;
            }
            if (f->out.dtype == PN_BOOL) a.fixed = a.fixed != 0;
            if (f->out.dtype == PN_BOOL && !is_fixed(&a)) return false;
        }
        if (!put_int(f, i, &a)) return false;
    }
    return true;
}

bool pn_fold_where(pn_fold_job *f)
{
    pn_odometer o;
    int64_t count = pn_shape_count(&f->out.shape);
    pn_odometer_init(&o, &f->out.shape);
    for (int k = 0; k < 3; k++)
        pn_odometer_broadcast(&o, k, &f->in[k].shape);
    for (int64_t i = 0; i < count; i++, pn_odometer_next(&o)) {
        pn_affine which;
        if (!pn_known_int(&f->in[0], o.pos[0], &which) || !is_fixed(&which)) return false;
        int k = which.fixed ? 1 : 2;
        if (!pn_fold_move(f, i, &f->in[k], o.pos[k])) return false;
    }
    return true;
}

bool pn_fold_range(pn_fold_job *f)
{
    pn_affine start, delta, a;
    if (is_float(f->out.dtype)) {
        int64_t count = pn_shape_count(&f->out.shape);
        for (int64_t i = 0; i < count; i++)
            put_float(f, i,
                      get_float(&f->in[0], 0) + (double)i * get_float(&f->in[2], 0));
        return true;
    }
    if (!pn_known_int(&f->in[0], 0, &start) || !pn_known_int(&f->in[2], 0, &delta))
        return false;
    if (f->out.shape.dim[0] == PN_DIM_FREE) { /* shape inference saw 0, N, 1 */
        a = (pn_affine){.image = 1};
        pn_fold_put(f, 0, &a);
        return true;
    }
    for (int64_t i = 0; i < f->out.shape.dim[0]; i++) {
        pn_affine step;
        if (!times(&delta, i, &step) || !plus(&start, &step, &a) || !put_int(f, i, &a))
            return false;
    }
    return true;
}

bool pn_fold_constant_of_shape(pn_fold_job *f)
{
    int64_t count = pn_shape_count(&f->out.shape);
    if (f->out.has_batch) return false;
    for (int64_t i = 0; i < count; i++) {
        if (f->n_in < 2)
            put_float(f, i, 0); /* the default value is a float */
        else if (!pn_fold_move(f, i, &f->in[1], 0))
            return false;
    }
    return true;
}
