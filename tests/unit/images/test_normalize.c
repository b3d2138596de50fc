/* The formula of the record, by hand, and the order of the channels. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "penult/image.h"

static void rgb_and_bgr_networks_see_their_own_order(void **state)
{
    (void)state;
    static const uint8_t bgr[6] = {10, 20, 30, 0, 128, 255};
    pn_preprocess p = {.channels = PN_CHANNELS_RGB, .scale = 1, .std = {1, 1, 1}};
    pn_normalizer n;
    float out[7] = {0, 0, 0, 0, 0, 0, -99};
    pn_normalizer_init(&n, &p);
    pn_normalizer_apply(&n, bgr, out, 2);
    static const float rgb[6] = {30, 20, 10, 255, 128, 0};
    for (int i = 0; i < 6; i++)
        assert_true(out[i] == rgb[i]);
    p.channels = PN_CHANNELS_BGR;
    pn_normalizer_init(&n, &p);
    pn_normalizer_apply(&n, bgr, out, 2);
    for (int i = 0; i < 6; i++)
        assert_true(out[i] == bgr[i]);
    assert_true(out[6] == -99);
}

/* mean and std belong to the network's first, second, third channel, whatever its order
 */
static void scale_mean_and_std_are_applied_in_double(void **state)
{
    (void)state;
    static const uint8_t bgr[3] = {51, 102, 204};
    pn_preprocess p = {.channels = PN_CHANNELS_RGB,
                       .scale = 1.0 / 255,
                       .mean = {0.5, 0.25, 0.125},
                       .std = {0.5, 2, 0.1}};
    pn_normalizer n;
    float out[3];
    pn_normalizer_init(&n, &p);
    pn_normalizer_apply(&n, bgr, out, 1);
    /* (0.8 - 0.5) / 0.5, (0.4 - 0.25) / 2, (0.2 - 0.125) / 0.1 */
    assert_float_equal(out[0], 0.6f, 1e-7);
    assert_float_equal(out[1], 0.075f, 1e-8);
    assert_float_equal(out[2], 0.75f, 1e-7);
    p = (pn_preprocess){.channels = PN_CHANNELS_BGR,
                        .scale = 1,
                        .mean = {127, 127, 127},
                        .std = {128, 128, 128}};
    pn_normalizer_init(&n, &p);
    pn_normalizer_apply(&n, bgr, out, 1);
    assert_true(out[0] == -76.0f / 128 && out[1] == -25.0f / 128 &&
                out[2] == 77.0f / 128);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rgb_and_bgr_networks_see_their_own_order),
        cmocka_unit_test(scale_mean_and_std_are_applied_in_double),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
