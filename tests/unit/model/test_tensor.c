/* Constants as numbers, whatever their type and place; shapes as numbers and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <string.h>

#include <cmocka.h>

#include "penult/graph.h"

/* bit patterns and what numpy makes of them */
static const struct {
    uint16_t bits;
    float is;
} halves[] = {
    {0x0001, 0x1p-24F},  {0x03ff, 0x1.ff8p-15F}, {0x0400, 0x1p-14F}, {0x3c00, 1.0F},
    {0x7bff, 65504.0F},  {0xc248, -0x1.92p+1F},  {0x8000, -0.0F},    {0x7c00, INFINITY},
    {0xfc00, -INFINITY}, {0x3555, 0x1.554p-2F},
};

static void float16_is_what_numpy_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(halves) / sizeof(halves[0]); i++) {
        const pn_value v = {.dtype = PN_F16, .data = &halves[i].bits, .size_bytes = 2};
        float f = 7;
        assert_int_equal(pn_value_to_f32(&v, 0, 1, &f), PN_OK);
        assert_memory_equal(&f, &halves[i].is, sizeof(f));
    }
    const uint16_t nan_bits = 0x7e01;
    const pn_value v = {.dtype = PN_F16, .data = &nan_bits, .size_bytes = 2};
    float f = 7;
    assert_int_equal(pn_value_to_f32(&v, 0, 1, &f), PN_OK);
    assert_true(isnan(f));
}

/* the same three numbers in every type, one byte off any alignment */
static void check_type(pn_dtype type, const void *three, bool is_integer)
{
    unsigned char buffer[32];
    size_t size = 3 * pn_dtype_size(type);
    memcpy(buffer + 1, three, size);
    const pn_value v = {.dtype = type, .data = buffer + 1, .size_bytes = size};
    float f[2];
    int64_t k[2];
    assert_int_equal(pn_value_to_f32(&v, 1, 2, f), PN_OK);
    assert_true(f[0] == 1 && f[1] == 100);
    assert_int_equal(pn_value_to_i64(&v, 1, 2, k), is_integer ? PN_OK : PN_EINVAL);
    if (is_integer) assert_true(k[0] == 1 && k[1] == 100);
    assert_int_equal(pn_value_to_f32(&v, 2, 2, f), PN_EINVAL);
    assert_int_equal(pn_value_to_f32(&v, -1, 1, f), PN_EINVAL);
    assert_int_equal(pn_value_to_f32(&v, INT64_MAX, INT64_MAX, f), PN_EINVAL);
    assert_int_equal(pn_value_to_f32(&v, 3, 0, f), PN_OK);
}

#define CHECK(type, ctype, is_integer)                                                   \
    do {                                                                                 \
        const ctype three[] = {2, 1, 100};                                               \
        check_type(type, three, is_integer);                                             \
    } while (0)

static void every_type_is_read_unaligned_and_within_bounds(void **state)
{
    (void)state;
    CHECK(PN_F32, float, false);
    CHECK(PN_F64, double, false);
    CHECK(PN_U8, uint8_t, true);
    CHECK(PN_I8, int8_t, true);
    CHECK(PN_U16, uint16_t, true);
    CHECK(PN_I16, int16_t, true);
    CHECK(PN_U32, uint32_t, true);
    CHECK(PN_I32, int32_t, true);
    CHECK(PN_U64, uint64_t, true);
    CHECK(PN_I64, int64_t, true);
    const uint16_t bfloats[] = {0x4000, 0x3f80, 0x42c8};
    check_type(PN_BF16, bfloats, false);
    const uint16_t floats[] = {0x4000, 0x3c00, 0x5640};
    check_type(PN_F16, floats, false);
}

static void numbers_that_do_not_fit_int64_are_refused(void **state)
{
    (void)state;
    const uint64_t big = UINT64_MAX;
    const pn_value v = {.dtype = PN_U64, .data = &big, .size_bytes = 8};
    int64_t k;
    float f;
    assert_int_equal(pn_value_to_i64(&v, 0, 1, &k), PN_EINVAL);
    assert_int_equal(pn_value_to_f32(&v, 0, 1, &f), PN_OK);
    assert_true(f == 0x1p64F);
    const pn_value computed = {.dtype = PN_F32};
    assert_int_equal(pn_value_to_f32(&computed, 0, 0, &f), PN_EINVAL);
}

static void counts_are_exact_or_minus_one(void **state)
{
    (void)state;
    const pn_shape scalar = {0}, image = {4, {PN_DIM_FREE, 3, 224, 224}},
                   huge = {3, {INT32_MAX, INT32_MAX, INT32_MAX}},
                   nothing = {4, {INT32_MAX, INT32_MAX, INT32_MAX, 0}};
    assert_int_equal(pn_shape_count(&scalar), 1);
    assert_int_equal(pn_shape_count(&image), 150528);
    assert_int_equal(pn_shape_count(&huge), -1);
    assert_int_equal(pn_shape_count(&nothing), 0);
}

static void shapes_print_as_people_write_them(void **state)
{
    (void)state;
    const pn_shape scalar = {0}, image = {4, {PN_DIM_FREE, 3, 224, 224}};
    char text[PN_SHAPE_TEXT], small[5];
    assert_string_equal(pn_shape_text(&image, text, sizeof(text)), "Nx3x224x224");
    assert_string_equal(pn_shape_text(&scalar, text, sizeof(text)), "scalar");
    assert_string_equal(pn_shape_text(&image, small, sizeof(small)), "Nx3x");
}

static void types_have_names_and_sizes(void **state)
{
    (void)state;
    assert_int_equal(pn_dtype_size(PN_F32), 4);
    assert_int_equal(pn_dtype_size((pn_dtype)8), 0); /* strings */
    assert_int_equal(pn_dtype_size((pn_dtype)-1), 0);
    assert_int_equal(pn_dtype_size((pn_dtype)17), 0);
    assert_string_equal(pn_dtype_name(PN_BF16), "bfloat16");
    assert_string_equal(pn_dtype_name((pn_dtype)0), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(float16_is_what_numpy_says),
        cmocka_unit_test(every_type_is_read_unaligned_and_within_bounds),
        cmocka_unit_test(numbers_that_do_not_fit_int64_are_refused),
        cmocka_unit_test(counts_are_exact_or_minus_one),
        cmocka_unit_test(shapes_print_as_people_write_them),
        cmocka_unit_test(types_have_names_and_sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
