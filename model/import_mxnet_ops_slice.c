/* Parts of tensors, and room round them. */
#include "model/import_mxnet_ops.h"

#include <string.h>

/* begin, end, axis and step of every axis that is cut, as ONNX takes them */
typedef struct cut {
    size_t n;
    int64_t start[PN_MAX_DIMS], end[PN_MAX_DIMS], axis[PN_MAX_DIMS], step[PN_MAX_DIMS];
    pn_shape out;
} cut;

static int64_t clamp(int64_t v, int64_t least, int64_t most)
{
    return v < least ? least : v > most ? most : v;
}

/* one axis more; negative places count from the end, and what lies outside is cut off */
static void add_axis(pn_mx_import *im, cut *c, int axis, int64_t start, int64_t end,
                     int64_t step)
{
    int64_t d = c->out.dim[axis];
    if (im->status) return;
    if (d == PN_DIM_FREE) {
        if (start != 0 || end < PN_MX_INT_MAX || step != 1)
            pn_mx_refuse(im, "cuts the batch");
        return;
    }
    if (start < 0) start += d;
    if (end < 0) end += d;
    start = clamp(start, 0, step > 0 ? d : d - 1);
    end = clamp(end, step > 0 ? 0 : -1, d);
    int64_t n =
        step > 0 ? (end - start + step - 1) / step : (start - end - step - 1) / -step;
    if (n < 1) {
        pn_mx_fail(im, PN_EFORMAT, "leaves nothing of axis %d", axis);
        return;
    }
    c->out.dim[axis] = n;
    if (n == d && step == 1) return;
    c->axis[c->n] = axis;
    c->start[c->n] = start;
    c->end[c->n] =
        end < 0 ? -INT64_MAX : end; /* down to the first one, itself included */
    c->step[c->n++] = step;
}

static void emit_slice(pn_mx_import *im, int x, const cut *c)
{
    if (im->status) return;
    if (c->n == 0) {
        pn_mx_emit(im, PN_OP_IDENTITY, NULL, &c->out, PN_MX_IN(x));
        return;
    }
    int starts = pn_mx_const_i64(im, "starts", c->start, c->n);
    int ends = pn_mx_const_i64(im, "ends", c->end, c->n);
    int axes = pn_mx_const_i64(im, "axes", c->axis, c->n);
    int steps = pn_mx_const_i64(im, "steps", c->step, c->n);
    pn_mx_emit(im, PN_OP_SLICE, NULL, &c->out, PN_MX_IN(x, starts, ends, axes, steps));
}

static void slice_axis(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    cut c = {.out = pn_mx_shape_of(im, x)};
    int axis = pn_mx_axis(im, "axis", PN_MX_REQUIRED, c.out.ndim);
    int64_t begin = pn_mx_int(im, "begin", PN_MX_REQUIRED, -PN_MX_INT_MAX, PN_MX_INT_MAX);
    int64_t end = pn_mx_int(im, "end", PN_MX_INT_MAX, -PN_MX_INT_MAX, PN_MX_INT_MAX);
    add_axis(im, &c, axis, begin, end, 1);
    emit_slice(im, x, &c);
}

static void slice(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    cut c = {.out = pn_mx_shape_of(im, x)};
    pn_mx_tuple begin, end, step;
    pn_mx_tuple_of(im, "begin", c.out.ndim, &begin);
    pn_mx_tuple_of(im, "end", c.out.ndim, &end);
    pn_mx_tuple_of(im, "step", c.out.ndim, &step);
    if (!im->status &&
        (begin.n == 0 || begin.n != end.n || (step.n && step.n != begin.n)))
        pn_mx_fail(im, PN_EFORMAT, "begin, end and step must be of one length");
    for (int i = 0; i < begin.n && !im->status; i++) {
        int64_t by = step.n && !step.is_none[i] ? step.v[i] : 1;
        if (by == 0) pn_mx_fail(im, PN_EFORMAT, "step 0");
        int64_t from = begin.is_none[i] ? (by > 0 ? 0 : PN_MX_INT_MAX) : begin.v[i];
        /* below every place, also after counting from the end */
        int64_t to =
            end.is_none[i] ? (by > 0 ? PN_MX_INT_MAX : -2 * PN_MX_INT_MAX * 2) : end.v[i];
        if (by) add_axis(im, &c, i, from, to, by);
    }
    emit_slice(im, x, &c);
}

/* cut to the size of another tensor, whose values do not matter */
static void slice_like(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0), other = pn_mx_data(im, 1);
    pn_shape like = pn_mx_shape_of(im, other);
    cut c = {.out = pn_mx_shape_of(im, x)};
    bool chosen[PN_MAX_DIMS] = {false};
    pn_mx_tuple axes;
    pn_mx_tuple_of(im, "axes", c.out.ndim, &axes);
    for (int i = 0; i < axes.n && !im->status; i++)
        chosen[pn_mx_check_axis(im, axes.v[i], c.out.ndim)] = true;
    for (int i = 0; i < c.out.ndim && !im->status; i++) {
        if (axes.n ? !chosen[i] : false) continue;
        if (i >= like.ndim ||
            (like.dim[i] == PN_DIM_FREE) != (c.out.dim[i] == PN_DIM_FREE))
            pn_mx_fail(im, PN_EFORMAT, "the tensors differ in their dimensions");
        else if (like.dim[i] != PN_DIM_FREE)
            add_axis(im, &c, i, 0, like.dim[i], 1);
    }
    emit_slice(im, x, &c);
}

/* the legacy Crop (capital): height and width from h_w or from a second tensor */
static void crop(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    cut c = {.out = pn_mx_shape_of(im, x)};
    int64_t offset[2], size[2];
    pn_mx_ints(im, "offset", 2, 0, 0, offset);
    pn_mx_ints(im, "h_w", 2, 0, 0, size);
    bool is_centred = pn_mx_bool(im, "center_crop", false);
    if (!im->status && c.out.ndim != 4)
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions, not 4", c.out.ndim);
    if (im->node->n_inputs > 1) {
        pn_shape like = pn_mx_shape_of(im, pn_mx_data(im, 1));
        if (!im->status && like.ndim != 4)
            pn_mx_fail(im, PN_EFORMAT, "like a tensor of %d dimensions, not 4",
                       like.ndim);
        memcpy(size, like.dim + 2, sizeof(size));
    }
    for (int i = 0; i < 2 && !im->status; i++) {
        int64_t room = c.out.dim[i + 2] - size[i];
        if (is_centred) offset[i] = room / 2;
        if (size[i] < 1 || room < offset[i])
            pn_mx_fail(im, PN_EFORMAT, "%lld from %lld on, of %lld", (long long)size[i],
                       (long long)offset[i], (long long)c.out.dim[i + 2]);
        add_axis(im, &c, i + 2, offset[i], offset[i] + size[i], 1);
    }
    emit_slice(im, x, &c);
}

enum { MAX_PARTS = 4096 };

static void drop_axis(pn_shape *s, int axis)
{
    s->ndim--;
    memmove(s->dim + axis, s->dim + axis + 1,
            (size_t)(s->ndim - axis) * sizeof(s->dim[0]));
}

static void slice_channel(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape part = pn_mx_shape_of(im, x);
    int n = (int)pn_mx_int(im, "num_outputs", PN_MX_REQUIRED, 1, MAX_PARTS);
    int axis = pn_mx_axis(im, "axis", 1, part.ndim);
    bool squeezes = pn_mx_bool(im, "squeeze_axis", false);
    if (im->status) return;
    if (part.dim[axis] == PN_DIM_FREE) {
        pn_mx_refuse(im, "cuts the batch");
        return;
    }
    if (part.dim[axis] % n || (squeezes && part.dim[axis] != n)) {
        pn_mx_fail(im, PN_EFORMAT, "%lld elements into %d parts",
                   (long long)part.dim[axis], n);
        return;
    }
    part.dim[axis] /= n;
    int outputs[MAX_PARTS];
    pn_mx_emit_many(im, PN_OP_SPLIT, squeezes ? "part" : NULL, &part, PN_MX_IN(x), n,
                    outputs);
    pn_mx_set_int(im, "axis", axis);
    if (!squeezes) return;
    pn_shape out = part;
    drop_axis(&out, axis);
    int64_t at = axis;
    int axes = pn_mx_const_i64(im, "axes", &at, 1);
    for (int k = 0; k < n && !im->status; k++)
        pn_mx_emit_kth(im, PN_OP_SQUEEZE, k, n, &out, PN_MX_IN(outputs[k], axes));
}

/* where the parts begin: given, or at equal distances; starts[0] is 0 */
static int split_starts(pn_mx_import *im, int64_t d, int64_t *starts)
{
    int64_t sections = pn_mx_int(im, "sections", 0, 0, MAX_PARTS);
    pn_mx_tuple t;
    pn_mx_tuple_of(im, "indices", PN_MX_TUPLE, &t);
    if (im->status) return 0;
    if (sections > 0) {
        if (d % sections)
            pn_mx_fail(im, PN_EFORMAT, "%lld elements into %lld parts", (long long)d,
                       (long long)sections);
        for (int64_t k = 0; k < sections; k++)
            starts[k] = k * (d / sections);
        return (int)sections;
    }
    for (int k = 0; k < t.n; k++) {
        starts[k] = t.v[k] < 0 ? t.v[k] + d : t.v[k];
        if (k == 0 ? starts[0] != 0 : starts[k] <= starts[k - 1] || starts[k] >= d)
            pn_mx_fail(im, PN_EFORMAT,
                       "indices: must ascend from 0 and leave nothing empty");
    }
    if (t.n == 0) pn_mx_fail(im, PN_EFORMAT, "neither indices nor sections are given");
    return t.n;
}

static int cut_part(pn_mx_import *im, int x, int k, int n, const pn_shape *part, int axis,
                    int64_t start, bool squeezes)
{
    char name[4][32];
    static const char *const words[] = {"starts", "ends", "axes", "part"};
    int64_t end = start + part->dim[axis], at = axis;
    for (int i = 0; i < 4; i++)
        snprintf(name[i], sizeof(name[i]), "%s%d", words[i], k);
    int starts = pn_mx_const_i64(im, name[0], &start, 1);
    int ends = pn_mx_const_i64(im, name[1], &end, 1);
    int axes = pn_mx_const_i64(im, name[2], &at, 1);
    int inputs[] = {x, starts, ends, axes};
    if (!squeezes) return pn_mx_emit_kth(im, PN_OP_SLICE, k, n, part, inputs, 4);
    pn_shape out = *part;
    drop_axis(&out, axis);
    int cut_out = pn_mx_emit(im, PN_OP_SLICE, name[3], part, inputs, 4);
    return pn_mx_emit_kth(im, PN_OP_SQUEEZE, k, n, &out, PN_MX_IN(cut_out, axes));
}

/* parts of any size, or equal ones */
static void split_v2(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x);
    int64_t starts[MAX_PARTS];
    int axis = pn_mx_axis(im, "axis", 0, in.ndim);
    bool squeezes = pn_mx_bool(im, "squeeze_axis", false);
    if (im->status) return;
    if (in.dim[axis] == PN_DIM_FREE) {
        pn_mx_refuse(im, "cuts the batch");
        return;
    }
    int n = split_starts(im, in.dim[axis], starts);
    for (int k = 0; k < n && !im->status; k++) {
        pn_shape part = in;
        part.dim[axis] = (k + 1 < n ? starts[k + 1] : in.dim[axis]) - starts[k];
        if (squeezes && part.dim[axis] != 1)
            pn_mx_fail(im, PN_EFORMAT, "squeezes a part of %lld",
                       (long long)part.dim[axis]);
        cut_part(im, x, k, n, &part, axis, starts[k], squeezes);
    }
}

static const char *const pad_modes[] = {"constant", "edge", "reflect", NULL};

static void check_pad(pn_mx_import *im)
{
    pn_mx_choice(im, "mode", -1, pad_modes);
}

static void pad(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), out = in;
    int64_t width[PN_MX_TUPLE], pads[2 * PN_MAX_DIMS] = {0};
    int mode = pn_mx_choice(im, "mode", -1, pad_modes);
    if (!im->status && !pn_mx_has(im, "pad_width"))
        pn_mx_fail(im, PN_EFORMAT, "the attribute pad_width is missing");
    pn_mx_ints(im, "pad_width", 2 * in.ndim, 0, 0, width);
    double fill = pn_mx_real(im, "constant_value", 0);
    for (int i = 0; i < in.ndim && !im->status; i++) {
        pads[i] = width[2 * i];
        pads[in.ndim + i] = width[2 * i + 1];
        if (!pads[i] && !pads[in.ndim + i]) continue;
        if (i < 2)
            pn_mx_fail(im, PN_EFORMAT, "pads the batch or the channels");
        else if (mode == 2 && (pads[i] >= in.dim[i] || pads[in.ndim + i] >= in.dim[i]))
            pn_mx_fail(im, PN_EFORMAT, "reflects more than there is");
        else
            out.dim[i] += pads[i] + pads[in.ndim + i];
    }
    int by = pn_mx_const_i64(im, "pads", pads, 2 * (size_t)in.ndim);
    if (mode == 0) {
        int with = pn_mx_scalar(im, "fill", fill);
        pn_mx_emit(im, PN_OP_PAD, NULL, &out, PN_MX_IN(x, by, with));
    } else {
        pn_mx_emit(im, PN_OP_PAD, NULL, &out, PN_MX_IN(x, by));
    }
    pn_mx_set_string(im, "mode", pad_modes[mode]);
}

const pn_mx_op pn_mx_ops_slice[] = {
    {"slice_axis", slice_axis, NULL, "axis begin end"},
    {"slice", slice, NULL, "begin end step"},
    {"slice_like", slice_like, NULL, "axes"},
    {"Crop", crop, NULL, "num_args offset h_w center_crop"},
    {"SliceChannel", slice_channel, NULL, "num_outputs axis squeeze_axis"},
    {"_split_v2", split_v2, NULL, "indices axis squeeze_axis sections"},
    {"Pad", pad, check_pad, "mode pad_width constant_value"},
    {NULL, NULL, NULL, NULL},
};
