/* The wire format at its edges. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "model/wire.h"

static pn_status first(const char *bytes, size_t size, pn_wire_field *f)
{
    pn_wire w;
    pn_wire_init(&w, bytes, size);
    return pn_wire_next(&w, f, NULL);
}

static void varints_take_up_to_ten_bytes_and_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        pn_status st;
        uint64_t value;
    } cases[] = {
        {"\x08\x00", 2, PN_OK, 0},
        {"\x08\xac\x02", 3, PN_OK, 300}, /* the example of protobuf's own documentation */
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, PN_OK, UINT64_MAX},
        {"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11, PN_EFORMAT, 0},
        {"\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 12, PN_EFORMAT, 0},
        {"\x08\x80", 2, PN_EFORMAT, 0},
        {"\x08", 1, PN_EFORMAT, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_wire_field f;
        assert_int_equal(first(cases[i].bytes, cases[i].size, &f), cases[i].st);
        if (!cases[i].st) assert_true(f.value == cases[i].value);
    }
}

static void lengths_that_leave_the_message_are_refused(void **state)
{
    (void)state;
    pn_wire_field f;
    assert_int_equal(first("\x0a\x03yes", 5, &f), PN_OK);
    assert_int_equal(f.bytes.size, 3);
    assert_int_equal(first("\x0a\x04yes", 5, &f), PN_EFORMAT);
    assert_int_equal(first("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11, &f),
                     PN_EFORMAT);
    assert_int_equal(first("\x0d\x00\x00\x00", 4, &f), PN_EFORMAT); /* 3 of 4 */
    assert_int_equal(first("\x09\x00\x00\x00\x00\x00\x00\x00", 8, &f), PN_EFORMAT);
}

static void tags_that_do_not_exist_are_refused(void **state)
{
    (void)state;
    pn_wire_field f;
    assert_int_equal(first("\x00\x00", 2, &f), PN_EFORMAT); /* field 0 */
    for (char type = 3; type <= 7; type++)                  /* groups and undefined */
        if (type != 5) {
            char bytes[16] = {(char)(8 | type)};
            assert_int_equal(first(bytes, sizeof(bytes), &f), PN_EFORMAT);
        }
    assert_int_equal(first("\x88\x80\x80\x80\x80\x01\x00", 7, &f), PN_EFORMAT);
    assert_int_equal(first("", 0, &f), PN_END);
}

static void errors_name_the_place_in_the_file(void **state)
{
    (void)state;
    pn_wire outer, inner;
    pn_wire_field f;
    pn_err err = {0};
    pn_wire_init(&outer, "\x08\x01\x12\x02\x0a\x09", 6);
    assert_int_equal(pn_wire_next(&outer, &f, &err), PN_OK);
    assert_int_equal(pn_wire_next(&outer, &f, &err), PN_OK);
    assert_int_equal(pn_wire_enter(&inner, &outer, &f, "thing", &err), PN_OK);
    assert_int_equal(pn_wire_next(&inner, &f, &err), PN_EFORMAT);
    assert_int_equal(strncmp(pn_err_text(&err), "byte 4: ", 8), 0);
    pn_err_clear(&err);
}

static void nesting_ends_at_64(void **state)
{
    (void)state;
    pn_wire w;
    pn_wire_field f = {.type = PN_WIRE_BYTES};
    pn_wire_init(&w, "", 0);
    for (int i = 0; i < PN_WIRE_MAX_DEPTH; i++)
        assert_int_equal(pn_wire_enter(&w, &w, &f, "level", NULL), PN_OK);
    assert_int_equal(pn_wire_enter(&w, &w, &f, "level", NULL), PN_EFORMAT);
}

static void text_is_utf8_without_nul(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        pn_status st;
    } cases[] = {
        {"caf\xc3\xa9", 5, PN_OK},       {"", 0, PN_OK},
        {"\xf0\x9f\x90\xa6", 4, PN_OK},  {"a\0b", 3, PN_EFORMAT},
        {"\xc3", 1, PN_EFORMAT},         {"\xc0\x80", 2, PN_EFORMAT},
        {"\xed\xa0\x80", 3, PN_EFORMAT}, {"\xf4\x90\x80\x80", 4, PN_EFORMAT},
        {"caf\xe9", 4, PN_EFORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        const pn_wire_field f = {
            .type = PN_WIRE_BYTES,
            .bytes = {(const unsigned char *)cases[i].text, cases[i].size}};
        pn_bytes out;
        assert_int_equal(pn_wire_text(&f, "text", &out, NULL), cases[i].st);
    }
}

static void packed_and_single_numbers_read_the_same(void **state)
{
    (void)state;
    pn_wire_out w = {0};
    pn_wire_put_bytes(&w, 1, "\x01\xac\x02", 3); /* packed 1, 300 */
    pn_wire_put_int(&w, 1, -5);
    pn_wire_put_bytes(&w, 1, "\x01\x80", 2); /* ends inside a number */
    pn_wire in;
    pn_wire_init(&in, w.bytes, w.size);
    pn_wire_field f;
    uint64_t v;
    size_t at = 0;
    assert_int_equal(pn_wire_next(&in, &f, NULL), PN_OK);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_OK);
    assert_int_equal(v, 1);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_OK);
    assert_int_equal(v, 300);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_END);
    at = 0;
    assert_int_equal(pn_wire_next(&in, &f, NULL), PN_OK);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_OK);
    assert_true((int64_t)v == -5);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_END);
    at = 0;
    assert_int_equal(pn_wire_next(&in, &f, NULL), PN_OK);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_OK);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_VARINT, "n", &at, &v, NULL), PN_EFORMAT);
    assert_int_equal(pn_wire_each(&f, PN_WIRE_FIXED32, "n", &at, &v, NULL), PN_EFORMAT);
    pn_wire_out_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(varints_take_up_to_ten_bytes_and_64_bits),
        cmocka_unit_test(lengths_that_leave_the_message_are_refused),
        cmocka_unit_test(tags_that_do_not_exist_are_refused),
        cmocka_unit_test(errors_name_the_place_in_the_file),
        cmocka_unit_test(nesting_ends_at_64),
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(packed_and_single_numbers_read_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
