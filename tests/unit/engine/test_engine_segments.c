/* Several layers at a time: a run's way through them against layer after layer. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>

#include <cmocka.h>
#include <stdlib.h>

#include "engine/segment_proof.h"
#include "net_builder.h"

enum { FREE, ALONE, SLOTS };
#define SIDE 20

/* Maps outweigh the weights, there is a branch across layers, a slice of a concatenation
 * and, at the end, a layer that goes by itself. */
static net build(void)
{
    net n = net_new(3, SIDE, SIDE);
    int x = net_conv(&n, NULL, pn_graph_find(n.g, "x"), 3, 24, 3, 1, 1);
    x = net_unary(&n, PN_OP_RELU, NULL, x);
    int y = net_conv(&n, NULL, x, 24, 24, 3, 1, 24);
    y = net_conv(&n, NULL, y, 24, 24, 1, 1, 1);
    x = net_binary(&n, PN_OP_ADD, NULL, x, y);
    y = net_unary(&n, PN_OP_SIGMOID, NULL, net_conv(&n, NULL, x, 24, 8, 1, 1, 1));
    x = net_concat(&n, NULL, x, y);
    net_finish(&n, net_fc(&n, "y", x, 32 * SIDE * SIDE, 10));
    return n;
}

typedef struct images {
    void *block;
    pn_run run; /* of image ALONE */
    float *scratch;
} images;

static images images_of(const pn_model *m)
{
    const size_t floats = (size_t)m->image_floats * SLOTS;
    images im = {.block = aligned_alloc(64, (floats + m->scratch_floats + 32) / 16 * 64)};
    assert_non_null(im.block);
    net_random(im.block, floats, 5); /* no float may be lucky to be 0 */
    im.scratch = (float *)im.block + floats;
    im.run = (pn_run){.m = m,
                      .arena = im.block,
                      .capacity = SLOTS,
                      .n = 1,
                      .threads = 1,
                      .first = ALONE};
    return im;
}

static void layer_by_layer(const images *im, pn_segment s)
{
    for (int i = s.first; i < s.end; i++) {
        pn_segment one = {i, i + 1};
        struct pn_model part = *im->run.m;
        pn_run r = im->run;
        part.segments = &one;
        part.n_segments = 1;
        r.m = &part;
        r.first = FREE;
        pn_team_run(&r, 1, im->scratch, NULL);
    }
}

static bool is_long(pn_segment s)
{
    return s.end - s.first > 1;
}

/* Goes to the end of the first long segment. @return what pn_segment_run() says there */
static int prove_first(const images *im, float *spoiled, float by)
{
    int i = 0;
    for (; !is_long(im->run.m->segments[i]); i++)
        layer_by_layer(im, im->run.m->segments[i]);
    const pn_segment s = im->run.m->segments[i];
    pn_segment_copy(&im->run, s, FREE);
    if (spoiled) *spoiled += by;
    layer_by_layer(im, s);
    return pn_segment_run(&im->run, s, FREE, im->scratch);
}

static void light_layers_make_one_segment(void **state)
{
    (void)state;
    net n = build();
    pn_model *m = net_compile(&n, PN_CPU_AUTO, NULL);
    int longest = 0;
    for (int i = 0; i < m->n_segments; i++) {
        const pn_segment s = m->segments[i];
        assert_int_equal(s.first, i ? m->segments[i - 1].end : 0);
        if (s.end - s.first > longest) longest = s.end - s.first;
    }
    assert_true(longest >= 4);
    assert_int_equal(m->segments[m->n_segments - 1].end, m->n_layers);
    assert_false(is_long(m->segments[m->n_segments - 1])); /* the matrix */
    pn_model_free(&m);
    net_free(&n);
}

static void an_image_alone_ends_with_the_same_bits(void **state)
{
    (void)state;
    net n = build();
    pn_model *m = net_compile(&n, PN_CPU_AUTO, NULL);
    const images im = images_of(m);
    assert_int_equal(prove_first(&im, NULL, 0), PN_NONE);
    free(im.block);
    pn_model_free(&m);
    net_free(&n);
}

static void one_other_bit_in_its_input_is_found(void **state)
{
    (void)state;
    net n = build();
    pn_model *m = net_compile(&n, PN_CPU_AUTO, NULL);
    const images im = images_of(m);
    pn_run r = im.run;
    float *middle = pn_run_tensor(&r, m->input, 0) + (SIDE / 2 * SIDE + SIDE / 2) * 3;
    const int found = prove_first(&im, middle, 1e-3F);
    assert_int_not_equal(found, PN_NONE);
    assert_true(m->tensors[m->tensors[m->layers[found].out].root].last > found);
    free(im.block);
    pn_model_free(&m);
    net_free(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(light_layers_make_one_segment),
        cmocka_unit_test(an_image_alone_ends_with_the_same_bits),
        cmocka_unit_test(one_other_bit_in_its_input_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
