/* Places in the arena: no two live tensors overlap, and chains hand memory on. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>

#include "engine/net.h"
#include "net_builder.h"

/* Floats of image 0 that are a root's: the local roots of a segment share a block. */
static void place_of(const pn_tensor *x, bool in_block, int64_t *from, int64_t *to)
{
    *from = x->arena_offset + (in_block ? x->offset : 0);
    *to =
        in_block ? *from + pn_shape_count(&x->shape) : x->arena_offset + x->image_stride;
}

static void check_no_overlap(const struct pn_model *m)
{
    for (int a = 0; a < m->n_tensors; a++) {
        const pn_tensor *x = &m->tensors[a];
        if (x->root != a || x->first > x->last) continue;
        assert_int_equal(x->arena_offset % 16, 0);
        assert_true(x->image_stride >= pn_shape_count(&x->shape));
        assert_true(x->arena_offset + x->image_stride <= m->image_floats);
        for (int b = 0; b < a; b++) {
            const pn_tensor *y = &m->tensors[b];
            if (y->root != b || y->first > y->last) continue;
            if (x->first > y->last || y->first > x->last) continue;
            int64_t x0, x1, y0, y1;
            const bool both = x->is_local && y->is_local;
            place_of(x, both, &x0, &x1);
            place_of(y, both, &y0, &y1);
            assert_true(x1 <= y0 || y1 <= x0);
        }
    }
}

/* Convolutions, sums, concatenations and activations of random earlier values. */
static void tangled_nets_get_places_that_do_not_overlap(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        net n = net_new(4, 6, 6);
        uint64_t r = seed;
        int ids[64], channels[64], count = 1;
        ids[0] = pn_graph_find(n.g, "x");
        channels[0] = 4;
        while (count < 40) {
            r = r * 6364136223846793005U + 1442695040888963407U;
            const int a = (int)((r >> 33) % (uint64_t)count);
            const int b = (int)((r >> 48) % (uint64_t)count);
            int id = PN_NONE, c = channels[a];
            switch ((r >> 60) % 4) {
            case 0:
                c = 1 + (int)((r >> 40) % 9);
                id = net_conv(&n, NULL, ids[a], channels[a], c, 3, 1, 1);
                break;
            case 1:
                id = net_unary(&n, PN_OP_RELU, NULL, ids[a]);
                break;
            case 2:
                if (channels[a] != channels[b]) continue;
                id = net_binary(&n, PN_OP_ADD, NULL, ids[a], ids[b]);
                break;
            default:
                if ((c = channels[a] + channels[b]) > 64) continue;
                id = net_concat(&n, NULL, ids[a], ids[b]);
            }
            ids[count] = id;
            channels[count++] = c;
        }
        net_finish(&n, ids[count - 1]);
        pn_model *m = net_compile(&n, PN_CPU_C, NULL);
        check_no_overlap(m);
        pn_model_free(&m);
        net_free(&n);
    }
}

static void a_long_chain_needs_the_memory_of_two_maps(void **state)
{
    (void)state;
    net n = net_new(4, 8, 8);
    int x = pn_graph_find(n.g, "x");
    for (int i = 0; i < 20; i++) {
        x = net_conv(&n, NULL, x, 4, 4, 3, 1, 1);
        x = net_unary(&n, PN_OP_EXP, NULL, net_unary(&n, PN_OP_SIGMOID, NULL, x));
    }
    net_finish(&n, net_unary(&n, PN_OP_GLOBAL_AVERAGE_POOL, "y", x));
    pn_model *m = net_compile(&n, PN_CPU_C, NULL);
    /* the input's, two that take turns, the average's, the user's copy */
    assert_int_equal(m->image_floats, 3 * 256 + 16 + 16);
    pn_model_free(&m);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tangled_nets_get_places_that_do_not_overlap),
        cmocka_unit_test(a_long_chain_needs_the_memory_of_two_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
