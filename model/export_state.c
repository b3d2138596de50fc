/* Elements of a tensor as the state dict has them, in pieces. */
#include "model/export_state.h"

#include <stdlib.h>
#include <string.h>

enum { PIECE_FLOATS = 4096, ROWS = 16 };

uint64_t pt_tensor_bytes(const pt_tensor *t)
{
    int64_t count = pn_shape_count(&t->shape);
    return t->value == PN_NONE ? sizeof(int64_t) : (uint64_t)count * sizeof(float);
}

static void scale(float *x, int64_t n, float factor)
{
    for (int64_t i = 0; factor != 1 && i < n; i++)
        x[i] *= factor;
}

static pn_status bad_constant(const pn_value *v, pn_err *err)
{
    return pn_fail(err, PN_EFORMAT,
                   "constant \"%s\": it has fewer elements than its shape", v->name);
}

static pn_status stream_pieces(const pn_value *v, int64_t count, float factor,
                               pt_sink *sink, void *to, pn_err *err)
{
    float piece[PIECE_FLOATS];
    for (int64_t at = 0, n; at < count; at += n) {
        n = count - at < PIECE_FLOATS ? count - at : PIECE_FLOATS;
        if (pn_value_to_f32(v, at, n, piece)) return bad_constant(v, err);
        scale(piece, n, factor);
        pn_status st = sink(to, piece, (size_t)n * sizeof(*piece), err);
        if (st) return st;
    }
    return PN_OK;
}

/* the constant is k x n, the file wants n x k: some rows of the file at a time, so that
 * what is read lies together */
static pn_status stream_turned(const pn_value *v, int64_t n, int64_t k, float factor,
                               pt_sink *sink, void *to, pn_err *err)
{
    if ((uint64_t)k > SIZE_MAX / (ROWS * sizeof(float))) return PN_ENOMEM;
    float *rows = malloc((size_t)k * ROWS * sizeof(*rows)), part[ROWS];
    pn_status st = rows ? PN_OK : PN_ENOMEM;
    for (int64_t at = 0; !st && at < n; at += ROWS) {
        int64_t wide = n - at < ROWS ? n - at : ROWS;
        for (int64_t i = 0; !st && i < k; i++) {
            if (pn_value_to_f32(v, i * n + at, wide, part)) st = bad_constant(v, err);
            for (int64_t r = 0; !st && r < wide; r++)
                rows[r * k + i] = part[r];
        }
        if (st) break;
        scale(rows, wide * k, factor);
        st = sink(to, rows, (size_t)(wide * k) * sizeof(*rows), err);
    }
    free(rows);
    return st;
}

pn_status pt_tensor_stream(const pt_state *s, const pt_tensor *t, pt_sink *sink, void *to,
                           pn_err *err)
{
    static const int64_t none = 0;
    if (t->value == PN_NONE) return sink(to, &none, sizeof(none), err);
    const pn_value *v = &s->g->values[t->value];
    int64_t count = pn_shape_count(&t->shape);
    if (count == 0) return PN_OK;
    if (t->is_transposed)
        return stream_turned(v, t->shape.dim[0], t->shape.dim[1], t->factor, sink, to,
                             err);
    if (v->dtype == PN_F32 && t->factor == 1 && v->size_bytes == pt_tensor_bytes(t))
        return sink(to, v->data, v->size_bytes, err);
    return stream_pieces(v, count, t->factor, sink, to, err);
}
