/* Liveness and places: a tensor's floats belong to it from the layer that writes it to
 * the last that reads it. One pass over the layers in time, best fit among the holes. */
#include "engine/plan.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

typedef struct hole {
    int64_t at, size;
} hole;

typedef struct space {
    hole *holes; /* ascending, none touching the next */
    int n;
    int64_t end, peak; /* floats; nothing is used from end on */
} space;

static int64_t round_up(int64_t n)
{
    return (n + PN_ALIGN_FLOATS - 1) / PN_ALIGN_FLOATS * PN_ALIGN_FLOATS;
}

static int64_t space_take(space *s, int64_t size)
{
    int best = -1;
    for (int i = 0; i < s->n; i++)
        if (s->holes[i].size >= size &&
            (best < 0 || s->holes[i].size < s->holes[best].size))
            best = i;
    if (best < 0) {
        int64_t at = s->end;
        if (s->n && s->holes[s->n - 1].at + s->holes[s->n - 1].size == s->end)
            at = s->holes[--s->n].at;
        s->end = at + size;
        if (s->end > s->peak) s->peak = s->end;
        return at;
    }
    hole *h = &s->holes[best];
    const int64_t at = h->at;
    h->at += size;
    h->size -= size;
    if (!h->size) {
        memmove(h, h + 1, (size_t)(s->n - best - 1) * sizeof(*h));
        s->n--;
    }
    return at;
}

static void space_give(space *s, int64_t at, int64_t size)
{
    int i = s->n;
    while (i > 0 && s->holes[i - 1].at > at)
        i--;
    const bool left = i > 0 && s->holes[i - 1].at + s->holes[i - 1].size == at;
    const bool right = i < s->n && at + size == s->holes[i].at;
    if (left && right) {
        s->holes[i - 1].size += size + s->holes[i].size;
        memmove(&s->holes[i], &s->holes[i + 1], (size_t)(s->n - i - 1) * sizeof(hole));
        s->n--;
    } else if (left) {
        s->holes[i - 1].size += size;
    } else if (right) {
        s->holes[i].at = at;
        s->holes[i].size += size;
    } else {
        memmove(&s->holes[i + 1], &s->holes[i], (size_t)(s->n - i) * sizeof(hole));
        s->holes[i] = (hole){at, size};
        s->n++;
    }
}

/* Floats from pixel to pixel of a map with memory of its own. Pixels a power of two apart
 * share few sets of the cache: from 256 channels on a line lies between them. */
static int64_t spread(const pn_tensor *x)
{
    const int64_t channels = x->shape.dim[0];
    const bool is_one = x->shape.dim[1] * x->shape.dim[2] == 1;
    return channels % 256 || x->is_dense || is_one ? channels
                                                   : channels + PN_ALIGN_FLOATS;
}

/* What follows from the parent, which has been done. */
static void place_in_parent(struct pn_model *m, int t)
{
    pn_tensor *x = &m->tensors[t];
    const bool is_map = pn_tensor_is_map(x);
    x->root = t;
    x->offset = 0;
    x->pixel_stride = !is_map ? 1 : x->parent != PN_NONE ? x->shape.dim[0] : spread(x);
    if (x->parent != PN_NONE) {
        const pn_tensor *p = &m->tensors[x->parent];
        x->root = p->root;
        x->offset = p->offset + x->parent_offset;
        if (!x->is_reshape && is_map) x->pixel_stride = p->pixel_stride;
    }
    if (is_map) {
        x->stride[0] = 1;
        x->stride[2] = (ptrdiff_t)x->pixel_stride;
        x->stride[1] = (ptrdiff_t)(x->pixel_stride * x->shape.dim[2]);
        return;
    }
    int64_t stride = 1;
    for (int i = x->shape.ndim - 1; i >= 0; i--) {
        x->stride[i] = (ptrdiff_t)stride;
        stride *= x->shape.dim[i];
    }
}

/* Roots, offsets and strides; parents before children, whatever their numbers. */
static pn_status resolve(struct pn_model *m)
{
    int *chain = malloc(((size_t)m->n_tensors + 1) * sizeof(*chain));
    if (!chain) return PN_ENOMEM;
    for (int t = 0; t < m->n_tensors; t++)
        m->tensors[t].root = PN_NONE;
    for (int t = 0; t < m->n_tensors; t++) {
        int n = 0;
        for (int p = t; p != PN_NONE && m->tensors[p].root == PN_NONE;
             p = m->tensors[p].parent)
            chain[n++] = p;
        while (n)
            place_in_parent(m, chain[--n]);
    }
    free(chain);
    return PN_OK;
}

static void touch(struct pn_model *m, int tensor, int layer)
{
    if (tensor == PN_NONE) return;
    pn_tensor *root = &m->tensors[m->tensors[tensor].root];
    if (layer < root->first) root->first = layer;
    if (layer > root->last) root->last = layer;
}

/* first and last of the roots; -1 is before the first layer, n_layers after the last. */
static void find_lives(struct pn_model *m)
{
    for (int t = 0; t < m->n_tensors; t++) {
        m->tensors[t].first = INT_MAX;
        m->tensors[t].last = INT_MIN;
    }
    for (int i = 0; i < m->n_layers; i++) {
        const pn_layer *l = &m->layers[i];
        touch(m, l->in[0], i);
        touch(m, l->in[1], i);
        touch(m, l->residual, i);
        touch(m, l->out, i);
    }
    touch(m, m->input, -1);
    for (int t = 0; t < m->n_tensors; t++)
        if (m->tensors[t].is_pinned) touch(m, t, m->n_layers);
}

/* Input `k` of layer i may give its memory to the output: same floats in the same order,
 * read by nobody later, and by this layer only float for float. */
static bool can_overwrite(const struct pn_model *m, const int *up, int i, int k)
{
    const pn_layer *l = &m->layers[i];
    if (l->kind != PN_LAYER_AFFINE && l->kind != PN_LAYER_UNARY &&
        l->kind != PN_LAYER_BINARY)
        return false;
    const int in = l->in[k], other = l->in[1 - k];
    if (in == PN_NONE || in == l->out) return false;
    const pn_tensor *x = &m->tensors[in], *y = &m->tensors[l->out];
    if (x->root != in || y->root != l->out || !pn_shape_equal(&x->shape, &y->shape) ||
        x->pixel_stride != y->pixel_stride)
        return false;
    if (other != PN_NONE && other != in && m->tensors[other].root == x->root)
        return false;
    return m->tensors[up[in]].last == i;
}

/* up[t]: whose memory root t was given; lives grow as memory is handed on. */
static pn_status share_memory(struct pn_model *m)
{
    int *up = malloc(((size_t)m->n_tensors + 1) * sizeof(*up));
    if (!up) return PN_ENOMEM;
    for (int t = 0; t < m->n_tensors; t++)
        up[t] = t;
    for (int i = 0; i < m->n_layers; i++) {
        for (int k = 0; k < 2; k++) {
            if (!can_overwrite(m, up, i, k)) continue;
            const int in = m->layers[i].in[k], out = m->layers[i].out;
            up[out] = up[in];
            m->tensors[up[in]].last = m->tensors[out].last;
            m->tensors[out].parent = in;
            m->tensors[out].parent_offset = 0;
            break;
        }
    }
    free(up);
    pn_status st = resolve(m);
    if (!st) find_lives(m);
    return st;
}

/* Floats that are wanted from day `first` to day `last`. */
typedef struct piece {
    int64_t floats, at;
    int first, last;
    int next_begin, next_end; /* in lists of pieces that begin or end on one day */
} piece;

/* Places for n pieces, day after day. @return PN_ENOMEM, PN_EUNSUPPORTED */
static pn_status place(piece *p, int n, int first_day, int last_day, int64_t *peak)
{
    const size_t days = (size_t)(last_day - first_day) + 1;
    int *begins = malloc(2 * days * sizeof(*begins)), *ends = begins + days;
    space s = {.holes = malloc(((size_t)n + 1) * sizeof(hole))};
    pn_status st = begins && s.holes ? PN_OK : PN_ENOMEM;
    for (size_t d = 0; !st && d < 2 * days; d++)
        begins[d] = PN_NONE;
    for (int i = n - 1; !st && i >= 0; i--) {
        p[i].next_begin = begins[p[i].first - first_day];
        begins[p[i].first - first_day] = i;
        p[i].next_end = ends[p[i].last - first_day];
        ends[p[i].last - first_day] = i;
    }
    for (size_t d = 0; !st && d < days; d++) {
        for (int i = begins[d]; !st && i != PN_NONE; i = p[i].next_begin) {
            p[i].at = space_take(&s, p[i].floats);
            if (s.peak > ((int64_t)1 << 40)) st = PN_EUNSUPPORTED;
        }
        for (int i = ends[d]; !st && i != PN_NONE; i = p[i].next_end)
            space_give(&s, p[i].at, p[i].floats);
    }
    *peak = s.peak;
    free(s.holes);
    free(begins);
    return st;
}

/* What place_all() works with; all by tensor, but `segment`. */
typedef struct work {
    piece *pieces;
    int *owner;   /* of a piece: a root, or ~segment for the block of its locals */
    int *segment; /* by layer */
    int *next;    /* in the list of a segment's local roots */
    int *locals;  /* by segment: head of that list */
} work;

static int64_t image_floats(const pn_tensor *x)
{
    return round_up(pn_tensor_is_map(x) ? x->shape.dim[1] * x->stride[1]
                                        : pn_shape_count(&x->shape));
}

/* A root of one segment alone becomes local; the others live as long as any image may be
 * in the segments where they begin and end. */
static void sort_roots(struct pn_model *m, work *w)
{
    for (int i = 0; i < m->n_segments; i++) {
        w->locals[i] = PN_NONE;
        for (int l = m->segments[i].first; l < m->segments[i].end; l++)
            w->segment[l] = i;
    }
    for (int t = m->n_tensors - 1; t >= 0; t--) {
        pn_tensor *x = &m->tensors[t];
        if (x->root != t || x->first == INT_MAX) continue;
        x->image_stride = image_floats(x);
        const int begin = x->first >= 0 ? w->segment[x->first] : PN_NONE;
        const int end = x->last < m->n_layers ? w->segment[x->last] : PN_NONE;
        x->is_local = begin != PN_NONE && begin == end &&
                      m->segments[end].end - m->segments[end].first > 1;
        if (x->is_local) {
            w->next[t] = w->locals[begin];
            w->locals[begin] = t;
            continue;
        }
        if (begin != PN_NONE) x->first = m->segments[begin].first;
        if (end != PN_NONE) x->last = m->segments[end].end - 1;
    }
}

/* The local roots of a segment lie in one block an image, so that images that are at
 * different layers do not meet. Its floats are in *floats, offsets in the roots. */
static pn_status place_locals(struct pn_model *m, work *w, int segment, piece *scratch,
                              int64_t *floats)
{
    int n = 0;
    const pn_segment *s = &m->segments[segment];
    for (int t = w->locals[segment]; t != PN_NONE; t = w->next[t]) {
        const pn_tensor *x = &m->tensors[t];
        scratch[n++] =
            (piece){.floats = x->image_stride, .first = x->first, .last = x->last};
    }
    *floats = 0;
    if (!n) return PN_OK;
    pn_status st = place(scratch, n, s->first, s->end - 1, floats);
    n = 0;
    for (int t = w->locals[segment]; !st && t != PN_NONE; t = w->next[t])
        m->tensors[t].offset = scratch[n++].at;
    return st;
}

static pn_status place_roots(struct pn_model *m, work *w)
{
    int n = 0;
    pn_status st = PN_OK;
    for (int i = 0; !st && i < m->n_segments; i++) {
        int64_t floats;
        st = place_locals(m, w, i, &w->pieces[n], &floats);
        if (st || !floats) continue;
        w->owner[n] = ~i;
        w->pieces[n++] = (piece){.floats = floats,
                                 .first = m->segments[i].first,
                                 .last = m->segments[i].end - 1};
    }
    for (int t = 0; t < m->n_tensors; t++) {
        const pn_tensor *x = &m->tensors[t];
        if (x->root != t || x->first == INT_MAX || x->is_local) continue;
        w->owner[n] = t;
        w->pieces[n++] =
            (piece){.floats = x->image_stride, .first = x->first, .last = x->last};
    }
    if (!st) st = place(w->pieces, n, -1, m->n_layers, &m->image_floats);
    for (int i = 0; !st && i < n; i++) {
        const piece *p = &w->pieces[i];
        if (w->owner[i] >= 0) {
            m->tensors[w->owner[i]].arena_offset = p->at;
            continue;
        }
        for (int t = w->locals[~w->owner[i]]; t != PN_NONE; t = w->next[t]) {
            m->tensors[t].arena_offset = p->at;
            m->tensors[t].image_stride = p->floats;
        }
    }
    return st;
}

/* Views lie where their root lies in its block. */
static void move_views(struct pn_model *m)
{
    for (int t = 0; t < m->n_tensors; t++) {
        pn_tensor *x = &m->tensors[t];
        if (x->root != t && m->tensors[x->root].is_local)
            x->offset += m->tensors[x->root].offset;
    }
}

static pn_status place_all(struct pn_model *m)
{
    const size_t pieces = (size_t)m->n_tensors + (size_t)m->n_segments + 1;
    const size_t layers = (size_t)m->n_layers + 1;
    int *all = malloc((pieces * 3 + layers) * sizeof(*all));
    work w = {.pieces = malloc(pieces * sizeof(*w.pieces))};
    pn_status st = PN_ENOMEM;
    if (all && w.pieces) {
        w.owner = all;
        w.next = all + pieces;
        w.locals = all + 2 * pieces;
        w.segment = all + 3 * pieces;
        sort_roots(m, &w);
        st = place_roots(m, &w);
        if (!st) move_views(m);
    }
    free(w.pieces);
    free(all);
    return st;
}

pn_status pn_plan_tensors(struct pn_model *m, pn_err *err)
{
    pn_status st = resolve(m);
    if (!st) {
        find_lives(m);
        st = share_memory(m);
    }
    if (!st) st = place_all(m);
    if (st)
        return pn_fail(err, st, "compile: %s",
                       st == PN_ENOMEM ? "out of memory"
                                       : "an image takes too much memory");
    return PN_OK;
}
