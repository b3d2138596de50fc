/* Maps made larger or smaller. */
#include "model/import_mxnet_ops.h"

#include <stdlib.h>
#include <string.h>

static const char *const sample_types[] = {"nearest", "bilinear", NULL};

static void check_upsampling(pn_mx_import *im)
{
    static const char *const modes[] = {"concat", "sum", NULL};
    pn_mx_choice(im, "sample_type", -1, sample_types);
    pn_mx_choice(im, "multi_input_mode", 0, modes);
}

static bool is_map(pn_mx_import *im, const pn_shape *s)
{
    if (!im->status && s->ndim != 4)
        pn_mx_fail(im, PN_EFORMAT, "on a tensor of %d dimensions, not 4", s->ndim);
    for (int i = 1; i < s->ndim && !im->status; i++)
        if (s->dim[i] == PN_DIM_FREE)
            pn_mx_refuse(im, "the batch is not the first dimension");
    return !im->status;
}

/* ---- UpSampling ---- */

static int repeat_places(pn_mx_import *im, const char *suffix, int k, int data,
                         pn_shape *s, int64_t height, int64_t width)
{
    char scales_name[32];
    pn_shape four = {.ndim = 1, .dim = {4}};
    float scales[4] = {1, 1, (float)(height / s->dim[2]), (float)(width / s->dim[3])};
    s->dim[2] = height;
    s->dim[3] = width;
    snprintf(scales_name, sizeof(scales_name), k ? "scales%d" : "scales", k);
    int by = pn_mx_const_f32(im, scales_name, &four, scales);
    int larger = pn_mx_emit(im, PN_OP_RESIZE, suffix, s, PN_MX_IN(data, PN_NONE, by));
    pn_mx_set_string(im, "mode", "nearest");
    pn_mx_set_string(im, "coordinate_transformation_mode", "asymmetric");
    pn_mx_set_string(im, "nearest_mode", "floor");
    return larger;
}

/* several maps are brought to the size of the first, enlarged, and joined or added */
static void upsample_nearest(pn_mx_import *im, int64_t scale)
{
    int n = im->node->n_inputs;
    const char *mode = pn_mx_attr_text(im->node, "multi_input_mode");
    bool is_sum = mode && !strcmp(mode, "sum");
    int *larger = pn_arena_alloc(&im->arena, (size_t)n * sizeof(int));
    pn_shape out = {0};
    int64_t height = 0, width = 0;
    if (!larger) pn_mx_fail(im, PN_ENOMEM, "out of memory");
    for (int k = 0; k < n && !im->status; k++) {
        int data = pn_mx_data(im, k);
        pn_shape s = pn_mx_shape_of(im, data);
        char suffix[32];
        if (!is_map(im, &s)) return;
        if (k == 0) {
            out = s;
            height = out.dim[2] = s.dim[2] * scale;
            width = out.dim[3] = s.dim[3] * scale;
        } else if (is_sum) {
            if (s.dim[1] != out.dim[1])
                pn_mx_fail(im, PN_EFORMAT, "adds maps of different channels");
        } else {
            out.dim[1] += s.dim[1];
        }
        if (!im->status && (height % s.dim[2] || width % s.dim[3]))
            pn_mx_fail(im, PN_EFORMAT, "input %d does not divide the output's size", k);
        if (im->status) return;
        snprintf(suffix, sizeof(suffix), "larger%d", k);
        larger[k] = repeat_places(im, n > 1 ? suffix : NULL, k, data, &s, height, width);
    }
    if (n < 2 || im->status) return;
    pn_mx_emit(im, is_sum ? PN_OP_SUM : PN_OP_CONCAT, NULL, &out, larger, n);
    if (!is_sum) pn_mx_set_int(im, "axis", 1);
}

/* by its definition a transposed convolution of each channel with a given kernel */
static void upsample_bilinear(pn_mx_import *im, int64_t scale)
{
    int data = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, data), out = in;
    if (!is_map(im, &in)) return;
    int64_t k = 2 * scale - scale % 2, p = scale / 2;
    pn_shape kernel = {.ndim = 4, .dim = {in.dim[1], 1, k, k}};
    for (int i = 2; i < 4; i++)
        out.dim[i] = scale * (in.dim[i] - 1) + k - 2 * p;
    int weight = pn_mx_weight(im, 1, &kernel, NULL);
    pn_mx_emit(im, PN_OP_CONV_TRANSPOSE, NULL, &out, PN_MX_IN(data, weight));
    pn_mx_set_ints(im, "kernel_shape", (const int64_t[]){k, k}, 2);
    pn_mx_set_ints(im, "strides", (const int64_t[]){scale, scale}, 2);
    pn_mx_set_ints(im, "dilations", (const int64_t[]){1, 1}, 2);
    pn_mx_set_ints(im, "pads", (const int64_t[]){p, p, p, p}, 4);
    pn_mx_set_int(im, "group", in.dim[1]);
}

static void upsampling(pn_mx_import *im)
{
    int64_t scale = pn_mx_int(im, "scale", PN_MX_REQUIRED, 1, 1 << 16);
    if (pn_mx_choice(im, "sample_type", -1, sample_types) == 0)
        upsample_nearest(im, scale);
    else
        upsample_bilinear(im, scale);
}

/* ---- BilinearResize2D ---- */

enum { MAX_SIDE = 1 << 14, MAX_WEIGHTS = 1 << 24 };

static const char *const resize_modes[] = {"size",         "odd_scale",  "like",
                                           "to_even_down", "to_even_up", "to_odd_down",
                                           "to_odd_up",    NULL};
enum { TO_SIZE, ODD_SCALE, LIKE, EVEN_DOWN, EVEN_UP, ODD_DOWN, ODD_UP };

static void check_resize(pn_mx_import *im)
{
    pn_mx_choice(im, "mode", TO_SIZE, resize_modes);
}

static int64_t resized(pn_mx_import *im, int mode, int64_t d, const char *size,
                       const char *scale)
{
    double by = pn_mx_real(im, scale, 1);
    bool is_odd = d % 2;
    if (by <= 0 || by > MAX_SIDE) {
        pn_mx_fail(im, PN_EFORMAT, "%s: must be positive and reasonable", scale);
        return 1;
    }
    switch (mode) {
    case ODD_SCALE:
        return is_odd ? (int64_t)((double)(d - 1) * by) + 1 : (int64_t)((double)d * by);
    case EVEN_DOWN:
        return is_odd ? d - 1 : d;
    case EVEN_UP:
        return is_odd ? d + 1 : d;
    case ODD_DOWN:
        return is_odd ? d : d - 1;
    case ODD_UP:
        return is_odd ? d : d + 1;
    default:
        return pn_mx_has(im, scale) ? (int64_t)((double)d * by)
                                    : pn_mx_int(im, size, 1, 1, MAX_SIDE);
    }
}

/* weights[place] of the two neighbours that a new place lies between */
static void put_neighbours(float *weights, int64_t stride, int64_t from, int64_t to,
                           int64_t at, bool aligns)
{
    /* one place is the first, also where nothing is aligned */
    float step = to == 1  ? 0
                 : aligns ? (float)(from - 1) / (float)(to - 1)
                          : (float)from / (float)to;
    float place = aligns ? step * (float)at : step * ((float)at + 0.5F) - 0.5F;
    if (place < 0) place = 0;
    int64_t first = (int64_t)place;
    if (first > from - 1) first = from - 1;
    int64_t second = first < from - 1 ? first + 1 : first;
    float share = place - (float)first;
    weights[first * stride] += 1 - share;
    weights[second * stride] += share;
}

/* the matrix that makes `to` places of `from`: from x to, or turned round */
static int interpolation(pn_mx_import *im, const char *suffix, int64_t from, int64_t to,
                         bool turned, bool aligns)
{
    pn_shape s = {.ndim = 2, .dim = {turned ? to : from, turned ? from : to}};
    if (to < 1 || to > MAX_SIDE || from > MAX_WEIGHTS / to) {
        pn_mx_refuse(im, "from %lld to %lld places", (long long)from, (long long)to);
        return PN_NONE;
    }
    float *weights = calloc((size_t)(from * to), sizeof(float));
    if (!weights) {
        pn_mx_fail(im, PN_ENOMEM, "out of memory");
        return PN_NONE;
    }
    for (int64_t at = 0; at < to; at++)
        put_neighbours(weights + (turned ? at * from : at), turned ? 1 : to, from, to, at,
                       aligns);
    int id = pn_mx_const_f32(im, suffix, &s, weights);
    free(weights);
    return id;
}

/* interpolation is linear, along each axis for itself: two products with matrices, which
 * every runtime computes alike */
static void bilinear_resize(pn_mx_import *im)
{
    int x = pn_mx_data(im, 0);
    pn_shape in = pn_mx_shape_of(im, x), wide, out;
    int mode = pn_mx_choice(im, "mode", TO_SIZE, resize_modes);
    bool aligns = pn_mx_bool(im, "align_corners", true);
    if (!is_map(im, &in)) return;
    out = in;
    if (mode == LIKE) {
        pn_shape like = pn_mx_shape_of(im, pn_mx_data(im, 1));
        if (!is_map(im, &like)) return;
        memcpy(out.dim + 2, like.dim + 2, 2 * sizeof(out.dim[0]));
    } else {
        out.dim[2] = resized(im, mode, in.dim[2], "height", "scale_height");
        out.dim[3] = resized(im, mode, in.dim[3], "width", "scale_width");
    }
    if (im->status) return;
    wide = in;
    wide.dim[3] = out.dim[3];
    int columns = interpolation(im, "columns", in.dim[3], out.dim[3], false, aligns);
    int rows = interpolation(im, "rows", in.dim[2], out.dim[2], true, aligns);
    int widened = pn_mx_emit(im, PN_OP_MATMUL, "widened", &wide, PN_MX_IN(x, columns));
    pn_mx_emit(im, PN_OP_MATMUL, NULL, &out, PN_MX_IN(rows, widened));
}

const pn_mx_op pn_mx_ops_resize[] = {
    {"UpSampling", upsampling, check_upsampling,
     "scale sample_type num_filter multi_input_mode"},
    {"_contrib_BilinearResize2D", bilinear_resize, check_resize,
     "height width scale_height scale_width mode align_corners like"},
    {NULL, NULL, NULL, NULL},
};
