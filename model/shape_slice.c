/* Operators that cut, border or scale: Slice, Pad, Resize. The batch passes untouched. */
#include "model/shape.h"

#include <math.h>
#include <string.h>

typedef struct ranges {
    size_t n;
    int64_t start[PN_MAX_DIMS], end[PN_MAX_DIMS], axis[PN_MAX_DIMS], step[PN_MAX_DIMS];
} ranges;

static pn_status same_count(pn_shape_job *j, const char *what, size_t n, size_t wanted)
{
    if (n == wanted) return PN_OK;
    return pn_job_bad(j, "%s has %zu elements, starts %zu", what, n, wanted);
}

static pn_status get_ranges(pn_shape_job *j, ranges *r)
{
    size_t n;
    for (int i = 0; i < PN_MAX_DIMS; i++) {
        r->axis[i] = i;
        r->step[i] = 1;
    }
    pn_status st = pn_job_ints(j, 1, "starts", r->start, PN_MAX_DIMS, &r->n);
    if (!st) st = pn_job_ints(j, 2, "ends", r->end, PN_MAX_DIMS, &n);
    if (!st) st = same_count(j, "ends", n, r->n);
    if (!st && pn_job_has(j, 3)) {
        st = pn_job_ints(j, 3, "axes", r->axis, PN_MAX_DIMS, &n);
        if (!st) st = same_count(j, "axes", n, r->n);
    }
    if (!st && pn_job_has(j, 4)) {
        st = pn_job_ints(j, 4, "steps", r->step, PN_MAX_DIMS, &n);
        if (!st) st = same_count(j, "steps", n, r->n);
    }
    return st;
}

static int64_t clamp(int64_t x, int64_t low, int64_t high)
{
    return x < low ? low : x > high ? high : x;
}

/* how many elements start:end:step takes of d; numbers may be far outside */
static int64_t range_count(int64_t d, int64_t start, int64_t end, int64_t step)
{
    if (start < 0) start += d;
    if (end < 0) end += d;
    if (step > 0) {
        start = clamp(start, 0, d);
        end = clamp(end, 0, d);
        return end > start ? (end - start - 1) / step + 1 : 0;
    }
    start = clamp(start, 0, d - 1);
    end = clamp(end, -1, d - 1);
    if (step < -d) step = -d - 1; /* one element; and INT64_MIN can be negated */
    return start > end ? (start - end - 1) / -step + 1 : 0;
}

pn_status pn_shape_slice(pn_shape_job *j)
{
    ranges r;
    unsigned bits = 0;
    pn_shape out = *pn_job_in(j, 0);
    pn_status st = get_ranges(j, &r);
    if (!st) st = pn_job_axes(j, r.axis, r.n, out.ndim, &bits);
    if (st) return st;
    for (size_t i = 0; i < r.n; i++) {
        int axis = (int)(r.axis[i] < 0 ? r.axis[i] + out.ndim : r.axis[i]);
        if (r.step[i] == 0) return pn_job_bad(j, "step 0 at axis %d", axis);
        if (out.dim[axis] == PN_DIM_FREE) {
            /* "everything", as exporters spell it, is the one range that fits any batch
             */
            if (r.start[i] != 0 || r.step[i] != 1 || r.end[i] < PN_MAX_DIM)
                return pn_job_unsupported(j, "cuts the batch, axis %d", axis);
            continue;
        }
        out.dim[axis] = range_count(out.dim[axis], r.start[i], r.end[i], r.step[i]);
        if (out.dim[axis] < 1) return pn_job_bad(j, "leaves nothing of axis %d", axis);
    }
    return pn_job_out(j, 0, &out);
}

/* pads of some axes (opset 18) as those of all */
static pn_status pads_of_axes(pn_shape_job *j, int ndim, int64_t *pads, size_t *n)
{
    int64_t given[2 * PN_MAX_DIMS], axis[PN_MAX_DIMS];
    size_t n_axes;
    unsigned bits;
    pn_status st = pn_job_ints(j, 3, "axes", axis, PN_MAX_DIMS, &n_axes);
    if (!st) st = pn_job_axes(j, axis, n_axes, ndim, &bits);
    if (st) return st;
    if (*n != 2 * n_axes)
        return pn_job_bad(j, "pads has %zu elements for %zu axes", *n, n_axes);
    memcpy(given, pads, sizeof(given));
    memset(pads, 0, 2 * (size_t)ndim * sizeof(*pads));
    for (size_t i = 0; i < n_axes; i++) {
        int a = (int)(axis[i] < 0 ? axis[i] + ndim : axis[i]);
        pads[a] = given[i];
        pads[ndim + a] = given[n_axes + i];
    }
    *n = 2 * (size_t)ndim;
    st = pn_job_spell(j, 1, pads, 2 * ndim);
    j->g->nodes[j->node].n_inputs = pn_job_has(j, 2) ? 3 : 2;
    return st;
}

pn_status pn_shape_pad(pn_shape_job *j)
{
    const char *mode = pn_node_string(pn_job_node(j), "mode", "constant");
    bool reflects = strcmp(mode, "reflect") == 0;
    pn_shape out = *pn_job_in(j, 0);
    int64_t pads[2 * PN_MAX_DIMS];
    size_t n;
    if (strcmp(mode, "constant") != 0 && strcmp(mode, "edge") != 0 && !reflects)
        return pn_job_unsupported(j, "mode \"%.40s\"", mode);
    pn_status st = pn_job_ints(j, 1, "pads", pads, 2 * PN_MAX_DIMS, &n);
    if (!st && pn_job_has(j, 3)) st = pads_of_axes(j, out.ndim, pads, &n);
    if (st) return st;
    if (n != 2 * (size_t)out.ndim)
        return pn_job_bad(j, "pads has %zu elements, must have %d", n, 2 * out.ndim);
    if (pn_job_has(j, 2)) {
        const pn_value *fill = pn_job_value(j, 2);
        if (!fill->data) return pn_job_unsupported(j, "its value is computed");
        if (pn_shape_count(&fill->shape) != 1)
            return pn_job_bad(j, "its value must be one number");
        if (fill->dtype != pn_job_value(j, 0)->dtype)
            return pn_job_bad(j, "its value is %s, its input %s",
                              pn_dtype_name(fill->dtype),
                              pn_dtype_name(pn_job_value(j, 0)->dtype));
    }
    for (int i = 0; i < out.ndim; i++) {
        int64_t before = pads[i], after = pads[out.ndim + i], d = out.dim[i];
        if (before < -PN_MAX_DIM || before > PN_MAX_DIM || after < -PN_MAX_DIM ||
            after > PN_MAX_DIM)
            return pn_job_bad(j, "pads at axis %d are out of bounds", i);
        if (before == 0 && after == 0) continue;
        if (d == PN_DIM_FREE) return pn_job_unsupported(j, "pads the batch, axis %d", i);
        if (reflects && (before >= d || after >= d))
            return pn_job_bad(j, "reflects more than there is at axis %d", i);
        out.dim[i] = d + before + after;
    }
    return pn_job_out(j, 0, &out);
}

static pn_status check_resize_modes(pn_shape_job *j)
{
    static const char *const allowed[][7] = {
        {"mode", "nearest", "linear", "cubic"},
        {"coordinate_transformation_mode", "half_pixel", "pytorch_half_pixel",
         "align_corners", "asymmetric", "half_pixel_symmetric"},
        {"nearest_mode", "round_prefer_floor", "round_prefer_ceil", "floor", "ceil"},
    };
    for (size_t k = 0; k < sizeof(allowed) / sizeof(allowed[0]); k++) {
        const char *mode = pn_node_string(pn_job_node(j), allowed[k][0], allowed[k][1]);
        int i = 1;
        while (i < 7 && allowed[k][i] && strcmp(allowed[k][i], mode) != 0)
            i++;
        if (i == 7 || !allowed[k][i])
            return pn_job_unsupported(j, "%s \"%.40s\"", allowed[k][0], mode);
    }
    return PN_OK;
}

static bool is_given(const pn_shape_job *j, int input)
{
    /* exporters put an empty constant where they mean "left out" */
    return pn_job_has(j, input) &&
           !(pn_job_value(j, input)->data && pn_job_value(j, input)->size_bytes == 0);
}

/* which output axis the i-th scale or size is of */
static pn_status resized_axes(pn_shape_job *j, int ndim, int *axis, int *n)
{
    const pn_attr *a = pn_node_attr(pn_job_node(j), "axes");
    unsigned bits;
    *n = ndim;
    for (int i = 0; i < ndim; i++)
        axis[i] = i;
    if (!a) return PN_OK;
    pn_status st = pn_job_axes(j, a->ints, a->n, ndim, &bits);
    if (st) return st;
    *n = (int)a->n;
    for (int i = 0; i < *n; i++)
        axis[i] = (int)(a->ints[i] < 0 ? a->ints[i] + ndim : a->ints[i]);
    return PN_OK;
}

static pn_status scale_dims(pn_shape_job *j, const int *axis, int n, float *scale,
                            pn_shape *out)
{
    const pn_value *v = pn_job_value(j, 2);
    float given[PN_MAX_DIMS];
    if (!v->data) return pn_job_unsupported(j, "scales are computed, not a constant");
    if (v->dtype != PN_F32 || v->shape.ndim != 1 || v->shape.dim[0] != n ||
        pn_value_to_f32(v, 0, n, given))
        return pn_job_bad(j, "scales must be %d float32", n);
    for (int i = 0; i < n; i++) {
        int64_t *d = &out->dim[axis[i]];
        scale[axis[i]] = given[i];
        if (*d == PN_DIM_FREE) {
            if (given[i] != 1)
                return pn_job_unsupported(j, "scales the batch, axis %d", axis[i]);
            continue;
        }
        /* the specification's floor(in * scale), as runtimes do it: in float */
        float size = floorf((float)*d * given[i]);
        if (!(given[i] > 0) || !(size >= 1) || !(size < 0x1p31F))
            return pn_job_bad(j, "scale %g at axis %d is out of bounds", (double)given[i],
                              axis[i]);
        *d = (int64_t)size;
    }
    return PN_OK;
}

/* sizes, and the scales that come to the same */
static pn_status size_dims(pn_shape_job *j, const int *axis, int n, float *scale,
                           pn_shape *out, bool *has_batch)
{
    int64_t size[PN_MAX_DIMS];
    size_t count;
    pn_status st = pn_job_dims(j, 3, "sizes", size, &count);
    if (st) return st;
    if (count != (size_t)n)
        return pn_job_bad(j, "sizes has %zu elements, must have %d", count, n);
    for (int i = 0; i < n; i++) {
        int64_t *d = &out->dim[axis[i]];
        if (*d == PN_DIM_FREE) {
            if (size[i] != PN_DIM_FREE)
                return pn_job_unsupported(j, "sizes fix the batch, axis %d: use scales",
                                          axis[i]);
            *has_batch = true;
            continue;
        }
        if (size[i] < 1 || size[i] > PN_MAX_DIM)
            return pn_job_bad(j, "size %lld at axis %d", (long long)size[i], axis[i]);
        scale[axis[i]] = (float)size[i] / (float)*d;
        if ((int64_t)floorf((float)*d * scale[axis[i]]) < size[i])
            scale[axis[i]] = nextafterf(scale[axis[i]], INFINITY);
        *d = size[i];
    }
    return PN_OK;
}

pn_status pn_shape_resize(pn_shape_job *j)
{
    pn_shape out = *pn_job_in(j, 0);
    int axis[PN_MAX_DIMS], n;
    float scale[PN_MAX_DIMS];
    bool respell = pn_node_attr(pn_job_node(j), "axes"), by_scales = is_given(j, 2);
    for (int i = 0; i < PN_MAX_DIMS; i++)
        scale[i] = 1;
    pn_status st = check_resize_modes(j);
    if (!st) st = resized_axes(j, out.ndim, axis, &n);
    if (st) return st;
    if (by_scales == is_given(j, 3))
        return pn_job_bad(j, "must have either scales or sizes");
    st = by_scales ? scale_dims(j, axis, n, scale, &out)
                   : size_dims(j, axis, n, scale, &out, &respell);
    if (!st) st = pn_job_out(j, 0, &out);
    if (st || !respell) return st;
    pn_job_drop_attr(j, "axes");
    st = pn_job_spell_f32(j, 2, scale, out.ndim);
    j->g->nodes[j->node].n_inputs = 3;
    return st;
}
