/* Pooling and resizing: what slides over a map. PyTorch and ONNX agree on windows, also
 * with ceil_mode, as long as both ends are padded alike. */
#include <math.h>
#include <string.h>

#include "model/export_pytorch.h"

enum { MAX_PICKED = 256 };

typedef struct pool {
    int n; /* spatial axes */
    const int64_t *kernel, *begin, *end;
    int64_t stride[PN_MAX_DIMS], dilation[PN_MAX_DIMS];
    int64_t
        to[PN_MAX_DIMS]; /* padding behind that the windows need when it is spelled out */
    bool is_max, is_ceil, counts_padding, is_even;
    const char *call; /* F.max_pool2d */
} pool;

static bool read_pool(pt_export *e, const pn_node *n, pool *p)
{
    static const int64_t zeros[2 * PN_MAX_DIMS];
    const pn_shape *x = pt_shape_in(e, n, 0), *y = &e->g->values[n->outputs[0]].shape;
    const pn_attr *pads = pn_node_attr(n, "pads"),
                  *kernel = pn_node_attr(n, "kernel_shape"),
                  *stride = pn_node_attr(n, "strides"),
                  *dilation = pn_node_attr(n, "dilations");
    p->n = x->ndim - 2;
    p->is_max = n->op == PN_OP_MAX_POOL;
    p->is_ceil = pn_node_int(n, "ceil_mode", 0) != 0;
    p->counts_padding = pn_node_int(n, "count_include_pad", 0) != 0;
    p->kernel = kernel->ints;
    p->begin = pads ? pads->ints : zeros;
    p->end = p->begin + p->n;
    p->is_even = true;
    if (p->n < 1 || p->n > 3) {
        pt_refuse(e, n, "on %d spatial axes, PyTorch has 1 to 3", p->n);
        return false;
    }
    for (int i = 0; i < p->n; i++) {
        p->stride[i] = stride ? stride->ints[i] : 1;
        p->dilation[i] = dilation ? dilation->ints[i] : 1;
        int64_t extent = (p->kernel[i] - 1) * p->dilation[i] + 1;
        p->to[i] =
            (y->dim[2 + i] - 1) * p->stride[i] + extent - x->dim[2 + i] - p->begin[i];
        if (!p->is_ceil || p->to[i] < p->end[i]) p->to[i] = p->end[i];
        /* PyTorch pads by half a window at most */
        if (p->begin[i] != p->end[i] || p->begin[i] > p->kernel[i] / 2)
            p->is_even = false;
    }
    p->call = pt_format(e, "F.%s_pool%dd", p->is_max ? "max" : "avg", p->n);
    return true;
}

/* ", stride=2, padding=1 ..." behind the window's size */
static const char *rest_of(pt_export *e, const pool *p, bool is_padded)
{
    static const int64_t ones[PN_MAX_DIMS] = {1, 1, 1, 1, 1, 1, 1, 1};
    size_t bytes = (size_t)p->n * sizeof(int64_t);
    const char *text = "";
    bool has_pads = false;
    for (int i = 0; i < p->n; i++)
        has_pads |= is_padded && p->begin[i] != 0;
    if (memcmp(p->stride, p->kernel, bytes) != 0)
        text = pt_format(e, ", stride=%s", pt_numbers(e, p->stride, p->n, false));
    if (has_pads)
        text = pt_format(e, "%s, padding=%s", text, pt_numbers(e, p->begin, p->n, false));
    if (memcmp(p->dilation, ones, bytes) != 0)
        text = pt_format(e, "%s, dilation=%s", text,
                         pt_numbers(e, p->dilation, p->n, false));
    if (p->is_ceil && is_padded) text = pt_format(e, "%s, ceil_mode=True", text);
    if (!p->is_max && has_pads && !p->counts_padding)
        text = pt_format(e, "%s, count_include_pad=False", text);
    return text;
}

void pt_pool(pt_export *e, pt_step *s, const pn_node *n)
{
    pool p = {0};
    if (!read_pool(e, n, &p)) return;
    const char *x = pt_read(e, s, n, 0), *size = pt_numbers(e, p.kernel, p.n, false);
    const char *rest = rest_of(e, &p, p.is_even);
    if (p.is_even) {
        s->text = pt_format(e, "%s(%s, %s%s)", p.call, x, size, rest);
        return;
    }
    const char *pads = pt_pad_list(e, p.begin, p.to, p.n);
    if (p.is_max) {
        s->text = pt_format(e, "%s(F.pad(%s, %s, value=float(\"-inf\")), %s%s)", p.call,
                            x, pads, size, rest);
        return;
    }
    bool is_whole = memcmp(p.to, p.end, (size_t)p.n * sizeof(*p.to)) == 0;
    if (p.counts_padding && is_whole) {
        s->text = pt_format(e, "%s(F.pad(%s, %s), %s%s)", p.call, x, pads, size, rest);
        return;
    }
    /* the sum over how much of the window counts, both as averages */
    const char *ones = pt_format(e, "torch.ones_like(%s[:1, :1])", x);
    int64_t beyond[PN_MAX_DIMS], none[PN_MAX_DIMS] = {0};
    for (int i = 0; i < p.n; i++)
        beyond[i] = p.to[i] - p.end[i];
    if (p.counts_padding)
        ones = pt_format(e, "F.pad(F.pad(%s, %s, value=1.0), %s)", ones,
                         pt_pad_list(e, p.begin, p.end, p.n),
                         pt_pad_list(e, none, beyond, p.n));
    else
        ones = pt_format(e, "F.pad(%s, %s)", ones, pads);
    s->is_infix = true;
    s->text = pt_format(e, "%s(F.pad(%s, %s), %s%s) / %s(%s, %s%s)", p.call, x, pads,
                        size, rest, p.call, ones, size, rest);
}

void pt_global_pool(pt_export *e, pt_step *s, const pn_node *n)
{
    int d = pt_shape_in(e, n, 0)->ndim - 2;
    if (d < 1 || d > 3)
        return pt_refuse(e, n, "on %d spatial axes, PyTorch has 1 to 3", d);
    s->text =
        pt_format(e, "F.adaptive_%s_pool%dd(%s, 1)", s->text, d, pt_read(e, s, n, 0));
}

/* where in an axis of `in` elements element i of `out` lies, by ONNX's modes */
static double source_of(const char *mode, int64_t i, int64_t in, int64_t out,
                        double scale)
{
    double at = (double)i;
    if (!strcmp(mode, "align_corners"))
        return out > 1 ? at * (double)(in - 1) / (double)(out - 1) : 0;
    if (!strcmp(mode, "asymmetric")) return at / scale;
    if (!strcmp(mode, "pytorch_half_pixel") && out == 1) return 0;
    return (at + 0.5) / scale - 0.5;
}

static double rounded(const char *mode, double x)
{
    if (!strcmp(mode, "floor")) return floor(x);
    if (!strcmp(mode, "ceil")) return ceil(x);
    return !strcmp(mode, "round_prefer_ceil") ? floor(x + 0.5) : ceil(x - 0.5);
}

static int64_t within(double at, int64_t n)
{
    return at < 0 ? 0 : at > (double)(n - 1) ? n - 1 : (int64_t)at;
}

static double scale_of(const pt_export *e, const pn_node *n, int axis, int64_t in,
                       int64_t out)
{
    float given;
    const pn_value *v = pt_const(e, n, 2);
    if (v && !pn_value_to_f32(v, axis, 1, &given)) return (double)given;
    return (double)out / (double)in;
}

/* the element that ONNX's mode takes for element i */
static int64_t nearest_of(const pn_node *n, int64_t i, int64_t in, int64_t out,
                          double scale)
{
    const char *where = pn_node_string(n, "coordinate_transformation_mode", "half_pixel");
    const char *round = pn_node_string(n, "nearest_mode", "round_prefer_floor");
    return within(rounded(round, source_of(where, i, in, out, scale)), in);
}

/* whether PyTorch's nearest (or nearest-exact) takes the very elements that ONNX takes */
static bool takes_same(const pn_node *n, int64_t in, int64_t out, double scale,
                       bool is_exact)
{
    for (int64_t i = 0; i < out; i++) {
        double at = (double)i + (is_exact ? 0.5 : 0);
        if (nearest_of(n, i, in, out, scale) !=
            within(floor(at * ((double)in / (double)out)), in))
            return false;
    }
    return true;
}

/* no mode of F.interpolate does it: the elements by their numbers */
static void pick_elements(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_shape *x = pt_shape_in(e, n, 0), *y = &e->g->values[n->outputs[0]].shape;
    const char *text = pt_read(e, s, n, 0), *colons = ":, :";
    for (int a = 2; a < x->ndim; a++) {
        double scale = scale_of(e, n, a, x->dim[a], y->dim[a]);
        const char *list = "";
        if (y->dim[a] > MAX_PICKED)
            return pt_refuse(e, n, "F.interpolate has no mode like this one");
        for (int64_t i = 0; i < y->dim[a]; i++)
            list = pt_format(e, "%s%s%lld", list, i ? ", " : "",
                             (long long)nearest_of(n, i, x->dim[a], y->dim[a], scale));
        text = pt_format(e, "%s[%s, [%s]]", text, colons, list);
        colons = pt_format(e, "%s, :", colons);
    }
    s->text = text;
}

/* the mode of F.interpolate that does the same; NULL: none does */
static const char *resize_mode(const pt_export *e, const pn_node *n, const pn_shape *x,
                               const pn_shape *y)
{
    static const char *const linear[] = {"linear", "bilinear", "trilinear"};
    const char *mode = pn_node_string(n, "mode", "nearest");
    const char *where = pn_node_string(n, "coordinate_transformation_mode", "half_pixel");
    bool is_plain = true, is_exact = true, has_one = false, fits = true;
    for (int a = 2; a < x->ndim; a++) {
        double scale = scale_of(e, n, a, x->dim[a], y->dim[a]);
        fits = fits && fabs(scale * (double)x->dim[a] - (double)y->dim[a]) < 1e-3;
        is_plain = is_plain && takes_same(n, x->dim[a], y->dim[a], scale, false);
        is_exact = is_exact && takes_same(n, x->dim[a], y->dim[a], scale, true);
        has_one |= y->dim[a] == 1;
    }
    if (!strcmp(mode, "nearest"))
        return is_plain ? "nearest" : is_exact ? "nearest-exact" : NULL;
    bool is_half = !strcmp(where, "half_pixel") ||
                   (!strcmp(where, "pytorch_half_pixel") && !has_one);
    if (!fits || (!is_half && strcmp(where, "align_corners") != 0) ||
        pn_node_int(n, "exclude_outside", 0))
        return NULL;
    if (!strcmp(mode, "linear")) return linear[x->ndim - 3];
    return x->ndim == 4 && pn_node_float(n, "cubic_coeff_a", -0.75F) == -0.75F ? "bicubic"
                                                                               : NULL;
}

void pt_resize(pt_export *e, pt_step *s, const pn_node *n)
{
    const pn_shape *x = pt_shape_in(e, n, 0), *y = &e->g->values[n->outputs[0]].shape;
    const char *where = pn_node_string(n, "coordinate_transformation_mode", "half_pixel");
    if (x->ndim < 3 || x->ndim > 5 || x->dim[1] != y->dim[1])
        return pt_refuse(e, n, "resizes what is no spatial axis");
    const char *mode = resize_mode(e, n, x, y);
    if (!mode && !strcmp(pn_node_string(n, "mode", "nearest"), "nearest"))
        return pick_elements(e, s, n);
    if (!mode) return pt_refuse(e, n, "F.interpolate has no mode like this one");
    const char *corners =
        strncmp(mode, "nearest", 7) != 0 && !strcmp(where, "align_corners")
            ? ", align_corners=True"
            : "";
    s->text =
        pt_format(e, "F.interpolate(%s, size=%s, mode=\"%s\"%s)", pt_read(e, s, n, 0),
                  pt_numbers(e, y->dim + 2, y->ndim - 2, true), mode, corners);
}
