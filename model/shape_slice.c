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

static pn_status scale_dims(pn_shape_job *j, pn_shape *out)
{
    const pn_value *v = pn_job_value(j, 2);
    float scale[PN_MAX_DIMS];
    if (!v->data) return pn_job_unsupported(j, "scales are computed, not a constant");
    if (v->dtype != PN_F32 || v->shape.ndim != 1 || v->shape.dim[0] != out->ndim ||
        pn_value_to_f32(v, 0, out->ndim, scale))
        return pn_job_bad(j, "scales must be %d float32", out->ndim);
    for (int i = 0; i < out->ndim; i++) {
        if (out->dim[i] == PN_DIM_FREE) {
            if (scale[i] != 1)
                return pn_job_unsupported(j, "scales the batch, axis %d", i);
            continue;
        }
        /* the specification's floor(in * scale), as runtimes do it: in float */
        float size = floorf((float)out->dim[i] * scale[i]);
        if (!(scale[i] > 0) || !(size >= 1) || !(size < 0x1p31F))
            return pn_job_bad(j, "scale %g at axis %d is out of bounds", (double)scale[i],
                              i);
        out->dim[i] = (int64_t)size;
    }
    return PN_OK;
}

pn_status pn_shape_resize(pn_shape_job *j)
{
    pn_shape out = *pn_job_in(j, 0);
    pn_status st = check_resize_modes(j);
    if (st) return st;
    if (is_given(j, 2) == is_given(j, 3))
        return pn_job_bad(j, "must have either scales or sizes");
    if (is_given(j, 2)) {
        st = scale_dims(j, &out);
    } else {
        int64_t size[PN_MAX_DIMS];
        size_t n;
        st = pn_job_ints(j, 3, "sizes", size, PN_MAX_DIMS, &n);
        if (st) return st;
        if (n != (size_t)out.ndim)
            return pn_job_bad(j, "sizes has %zu elements, must have %d", n, out.ndim);
        for (int i = 0; i < out.ndim; i++) {
            if (out.dim[i] == PN_DIM_FREE)
                return pn_job_unsupported(j, "sizes fix the batch, axis %d: use scales",
                                          i);
            out.dim[i] = size[i];
        }
    }
    return st ? st : pn_job_out(j, 0, &out);
}
