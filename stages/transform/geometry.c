/* The roundings of the programs that the records are written for, and nothing else. */
#include "stages/transform/geometry.h"

#include <math.h>

/* int(round((outer - inner) / 2.0)) of Python 3: halves go to the even neighbour */
static int64_t centre_offset(int64_t outer, int64_t inner)
{
    int64_t gap = outer - inner, half = gap / 2;
    return gap % 2 ? half + half % 2 : half;
}

static void short_side_crop(pn_layout *l, const pn_preprocess *p)
{
    int64_t w = l->src_width, h = l->src_height, s = p->short_side;
    l->full_width = w <= h ? s : s * w / h;
    l->full_height = w <= h ? s * h / w : s;
    l->window_x = centre_offset(l->full_width, p->width);
    l->window_y = centre_offset(l->full_height, p->height);
}

static int fitted(double size, int limit)
{
    double r = rint(size); /* halves to even, as Python's round() */
    return r < 1 ? 1 : r > limit ? limit : (int)r;
}

static void letterbox(pn_layout *l, const pn_preprocess *p)
{
    double w = l->src_width, h = l->src_height;
    double ratio = w / h, wanted = (double)p->width / p->height;
    if (ratio > wanted)
        l->height = fitted(h / w * p->width, p->height);
    else if (ratio < wanted)
        l->width = fitted(w / h * p->height, p->width);
    l->full_width = l->width;
    l->full_height = l->height;
    l->dst_x = (int)centre_offset(p->width, l->width);
    l->dst_y = (int)centre_offset(p->height, l->height);
}

static void centre_square(pn_layout *l)
{
    int w = l->src_width, h = l->src_height, side = w < h ? w : h;
    l->src_x = (int)centre_offset(w, side);
    l->src_y = (int)centre_offset(h, side);
    l->src_width = l->src_height = side;
}

void pn_layout_init(pn_layout *l, const pn_preprocess *p, int width, int height)
{
    *l = (pn_layout){.src_width = width,
                     .src_height = height,
                     .full_width = p->width,
                     .full_height = p->height,
                     .width = p->width,
                     .height = p->height};
    switch (p->geometry) {
    case PN_GEOMETRY_SQUASH:
        break;
    case PN_GEOMETRY_SHORT_SIDE_CROP:
        short_side_crop(l, p);
        break;
    case PN_GEOMETRY_LETTERBOX:
        letterbox(l, p);
        break;
    case PN_GEOMETRY_CENTRE_SQUARE:
        centre_square(l);
        break;
    }
}
