/* Weights beside the model: found by offset and length, and never outside the model's own
 * folder, whatever the model says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "model/onnx_read.h"
#include "penult/convert.h"
#include "tests/support/alloc_fail.h"

#define FOLDER "/tmp/penult-external-XXXXXX"

typedef struct place {
    char folder[sizeof(FOLDER)], model[64];
} place;

static const float weights[] = {1, 2, 3, 4, 5, 6, 7, 8};

static void put(const place *p, const char *name, const void *bytes, size_t size)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", p->folder, name);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, size, f), size);
    assert_int_equal(fclose(f), 0);
}

static void pair(pn_wire_out *tensor, const char *key, const char *value)
{
    pn_wire_out entry = {0};
    if (!value) return;
    pn_wire_put_text(&entry, 1, key);
    pn_wire_put_text(&entry, 2, value);
    pn_wire_put_message(tensor, 13, &entry);
    pn_wire_out_fini(&entry);
}

static void info(pn_wire_out *graph, uint32_t field, const char *name)
{
    /* float, N x 3 */
    static const unsigned char type[] = {0x0a, 0x0d, 0x08, 0x01, 0x12, 0x09, 0x0a, 0x03,
                                         0x12, 0x01, 'N',  0x0a, 0x02, 0x08, 0x03};
    pn_wire_out v = {0};
    pn_wire_put_text(&v, 1, name);
    pn_wire_put_bytes(&v, 2, type, sizeof(type));
    pn_wire_put_message(graph, field, &v);
    pn_wire_out_fini(&v);
}

/* y = x + w, w three floats elsewhere */
static void put_model(const place *p, const char *location, const char *offset,
                      const char *length)
{
    pn_wire_out model = {0}, graph = {0}, part = {0};
    pn_wire_put_int(&part, 1, 3);
    pn_wire_put_int(&part, 2, PN_F32);
    pn_wire_put_text(&part, 8, "w");
    pair(&part, "location", location);
    pair(&part, "offset", offset);
    pair(&part, "length", length);
    pair(&part, "checksum", "of no concern");
    pn_wire_put_int(&part, 14, 1);
    pn_wire_put_message(&graph, 5, &part);
    pn_wire_put_text(&part, 1, "x");
    pn_wire_put_text(&part, 1, "w");
    pn_wire_put_text(&part, 2, "y");
    pn_wire_put_text(&part, 4, "Add");
    pn_wire_put_message(&graph, 1, &part);
    info(&graph, 11, "x");
    info(&graph, 12, "y");
    pn_wire_put_int(&model, 1, 7); /* ir_version */
    pn_wire_put_int(&part, 2, 13);
    pn_wire_put_message(&model, 8, &part);
    pn_wire_put_bytes(&model, 7, graph.bytes, graph.size);
    assert_false(model.failed);
    put(p, "m.onnx", model.bytes, model.size);
    pn_wire_out_fini(&model);
    pn_wire_out_fini(&graph);
    pn_wire_out_fini(&part);
}

static int set_up(void **state)
{
    static place p;
    memcpy(p.folder, FOLDER, sizeof(FOLDER));
    if (!mkdtemp(p.folder)) return -1;
    snprintf(p.model, sizeof(p.model), "%s/m.onnx", p.folder);
    put(&p, "w.bin", weights, sizeof(weights));
    *state = &p;
    return 0;
}

static int tear_down(void **state)
{
    const place *p = *state;
    static const char *const names[] = {"m.onnx",    "w.bin",  "link.bin",
                                        "sub/w.bin", "linked", "pipe"};
    char path[128];
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        snprintf(path, sizeof(path), "%s/%s", p->folder, names[i]);
        (void)unlink(path);
    }
    snprintf(path, sizeof(path), "%s/sub", p->folder);
    (void)rmdir(path);
    return rmdir(p->folder);
}

static void check_read(const place *p, const char *location, const char *offset,
                       const char *length, float first)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    float w[3];
    put_model(p, location, offset, length);
    if (pn_graph_read_onnx(&g, p->model, &err)) fail_msg("%s", pn_err_text(&err));
    const pn_value *v = &g->values[pn_graph_find(g, "w")];
    assert_int_equal(pn_value_to_f32(v, 0, 3, w), PN_OK);
    assert_true(w[0] == first && w[2] == first + 2);
    pn_graph_free(&g);
}

static void weights_are_found_by_offset_and_length(void **state)
{
    const place *p = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/sub", p->folder);
    assert_int_equal(mkdir(path, 0700), 0);
    put(p, "sub/w.bin", weights, sizeof(weights));
    check_read(p, "w.bin", "0", "12", 1);
    check_read(p, "w.bin", NULL, "12", 1);
    check_read(p, "w.bin", "20", "12", 6);
    check_read(p, "w.bin", "20", NULL, 6); /* to the end of the file */
    check_read(p, "./w.bin", "4", "12", 2);
    check_read(p, "sub/w.bin", "8", "12", 3);
}

static void check_refused(const place *p, const char *location, const char *offset,
                          const char *length, pn_status want, const char *text)
{
    pn_graph *g = NULL;
    pn_err err = {0};
    put_model(p, location, offset, length);
    pn_status st = pn_graph_read_onnx(&g, p->model, &err);
    if (st != want || !strstr(pn_err_text(&err), text))
        fail_msg("%s: %d, \"%s\" has no \"%s\"", location ? location : "(none)", (int)st,
                 pn_err_text(&err), text);
    if (location) assert_non_null(strstr(pn_err_text(&err), "tensor \"w\""));
    assert_null(g);
    pn_err_clear(&err);
}

static void no_path_leads_out_of_the_folder(void **state)
{
    const place *p = *state;
    char path[128];
    snprintf(path, sizeof(path), "%s/link.bin", p->folder);
    assert_int_equal(symlink("w.bin", path), 0);
    snprintf(path, sizeof(path), "%s/linked", p->folder);
    assert_int_equal(symlink(".", path), 0);
    snprintf(path, sizeof(path), "%s/pipe", p->folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    static const char *const outside[] = {"/etc/passwd", "../w.bin", "sub/../w.bin", "..",
                                          "sub/.."};
    for (size_t i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
        check_refused(p, outside[i], "0", "12", PN_EFORMAT, "must be a path below");
    check_refused(p, "link.bin", "0", "12", PN_ENOENT, "link.bin");
    check_refused(p, "linked/w.bin", "0", "12", PN_ENOENT, "linked/w.bin");
    check_refused(p, "pipe", "0", "12", PN_ENOENT, "not a regular file");
    check_refused(p, ".", "0", "12", PN_ENOENT, "not a regular file");
    check_refused(p, "gone.bin", "0", "12", PN_ENOENT, "gone.bin");
    check_refused(p, NULL, "0", "12", PN_EFORMAT, "says no location");
}

static void nothing_is_read_past_the_end_of_the_file(void **state)
{
    const place *p = *state;
    check_refused(p, "w.bin", "24", "12", PN_EFORMAT, "which has 32");
    check_refused(p, "w.bin", "33", NULL, PN_EFORMAT, "which has 32");
    check_refused(p, "w.bin", "9223372036854775807", "12", PN_EFORMAT, "which has 32");
    check_refused(p, "w.bin", "12", "9223372036854775807", PN_EFORMAT, "which has 32");
    check_refused(p, "w.bin", "0", "16", PN_EFORMAT, "not as long as its shape says");
    check_refused(p, "w.bin", "0", NULL, PN_EFORMAT, "not as long as its shape says");
    pn_graph *g = NULL;
    pn_err err = {0};
    static const char *const odd[] = {"-4", "", "4x", "9223372036854775808"};
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        put_model(p, "w.bin", odd[i], "12");
        assert_int_equal(pn_graph_read_onnx(&g, p->model, &err), PN_EFORMAT);
        assert_non_null(strstr(pn_err_text(&err), "is no number"));
        pn_err_clear(&err);
    }
}

static void the_source_names_the_weights_with_their_digest(void **state)
{
    const place *p = *state;
    /* sha256sum of the eight floats */
    static const char entry[] =
        ", {\"file\": \"w.bin\", \"sha256\": "
        "\"af7de0621354bafceb193edf0fcf5d421cf21de7146580062fff53c7907f54e5\", "
        "\"bytes\": 32}]";
    const char *const input = p->model;
    const pn_convert_opts o = {.inputs = &input, .n_inputs = 1, .features = "none"};
    pn_graph *g = NULL;
    pn_err err = {0};
    put_model(p, "w.bin", "12", "12");
    if (pn_convert(&g, &o, &err)) fail_msg("%s", pn_err_text(&err));
    const char *source = pn_graph_meta(g, PN_META_SOURCE);
    assert_int_equal(strncmp(source, "[{\"file\": \"m.onnx\"", 18), 0);
    assert_non_null(strstr(source, entry));
    pn_graph_free(&g);
}

static void bytes_in_memory_have_nothing_beside_them(void **state)
{
    const place *p = *state;
    pn_file *f = NULL;
    pn_graph *g = NULL;
    pn_err err = {0};
    put_model(p, "w.bin", "0", "12");
    assert_int_equal(pn_file_open(&f, p->model, NULL), PN_OK);
    assert_int_equal(pn_onnx_read_bytes(&g, f->data, f->size, &err), PN_EUNSUPPORTED);
    pn_err_clear(&err);
    pn_file_close(&f);
}

static void every_failing_allocation_is_enomem(void **state)
{
    const place *p = *state;
    pn_status st = PN_ENOMEM;
    put_model(p, "w.bin", "0", "12");
    long n = 0;
    for (; st == PN_ENOMEM; n++) {
        pn_graph *g = NULL;
        pn_err err = {0};
        pn_alloc_fail_at(n);
        st = pn_graph_read_onnx(&g, p->model, &err);
        pn_alloc_fail_at(-1);
        assert_int_equal(st == PN_OK, g != NULL);
        pn_err_clear(&err);
        pn_graph_free(&g);
    }
    assert_int_equal(st, PN_OK);
    assert_true(n > 10);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(weights_are_found_by_offset_and_length),
        CASE(no_path_leads_out_of_the_folder),
        CASE(nothing_is_read_past_the_end_of_the_file),
        CASE(the_source_names_the_weights_with_their_digest),
        CASE(bytes_in_memory_have_nothing_beside_them),
        CASE(every_failing_allocation_is_enomem),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
