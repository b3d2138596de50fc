/* The preprocessing record, as YAML and as JSON. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "checkpoint.h"
#include "penult/preprocess.h"

static pn_status read_text(pn_preprocess *p, const char *yaml, pn_err *err)
{
    char *path = write_temp(yaml, strlen(yaml));
    pn_status st = pn_preprocess_read_yaml(p, path, err);
    unlink(path);
    free(path);
    return st;
}

#define LITE0                                                                            \
    "size: [224, 192]\ngeometry: short_side_crop\nshort_side: 256\n"                     \
    "filter: pillow-bicubic\nchannels: rgb\nmean: [127, 126, 125]\nstd: [128, 127.5, "   \
    "1]\n"

static void a_record_is_read_with_its_defaults(void **state)
{
    (void)state;
    pn_preprocess p;
    pn_err err = {0};
    if (read_text(&p, LITE0, &err)) fail_msg("%s", pn_err_text(&err));
    assert_int_equal(p.height, 224);
    assert_int_equal(p.width, 192);
    assert_int_equal(p.geometry, PN_GEOMETRY_SHORT_SIDE_CROP);
    assert_int_equal(p.short_side, 256);
    assert_int_equal(p.filter, PN_FILTER_PILLOW_BICUBIC);
    assert_int_equal(p.channels, PN_CHANNELS_RGB);
    assert_true(p.scale == 1);
    assert_true(p.mean[0] == 127 && p.mean[1] == 126 && p.mean[2] == 125);
    assert_true(p.std[0] == 128 && p.std[1] == 127.5 && p.std[2] == 1);
    assert_int_equal(p.exif, PN_EXIF_IGNORE);
    assert_int_equal(p.alpha, PN_ALPHA_IGNORE);
    assert_int_equal(p.fill, 0);
}

static void broken_rules_are_named_with_their_place(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *part;
    } cases[] = {
        {"size: [2, 2]\ngeometry: squash\nfilter: pillow-nearest\n", "channels"},
        {"size: [2, 2]\ngeometry: squash\nchannels: rgb\n", "filter"},
        {"size: [2, 2]\nfilter: pillow-nearest\nchannels: rgb\n", "geometry"},
        {"geometry: squash\nfilter: pillow-nearest\nchannels: rgb\n", "size"},
        {LITE0 "shortside: 3\n", ":8:1: "},
        {LITE0 "exif: maybe\n", ":8:"},
        {LITE0 "exif: ignore\nexif: apply\n", ":9:"},
        {LITE0 "scale: 0\n", ":8:8: scale must be"},
        {LITE0 "scale: 1e60\n", "scale must be"},
        {LITE0 "fill: 3\n", ":8:7: fill goes with"},
        {LITE0 "fill: 256\n", ":8:7"},
        {"size: [2, 2]\ngeometry: squash\nshort_side: 5\nfilter: pillow-nearest\n"
         "channels: rgb\n",
         ":3:13: short_side goes with"},
        {"size: [2, 2]\ngeometry: short_side_crop\nfilter: pillow-nearest\nchannels: "
         "rgb\n",
         "short_side is required"},
        {"size: [9, 2]\ngeometry: short_side_crop\nshort_side: 8\nfilter: "
         "pillow-nearest\n"
         "channels: rgb\n",
         "short_side must be at least"},
        {"size: [0, 2]\ngeometry: squash\nfilter: pillow-nearest\nchannels: rgb\n",
         ":1:"},
        {"size: [2, 8193]\ngeometry: squash\nfilter: pillow-nearest\nchannels: rgb\n",
         ":1:"},
        {"size: 2\ngeometry: squash\nfilter: pillow-nearest\nchannels: rgb\n", ":1:"},
        {"size: [2, 2]\ngeometry: squash\nfilter: pillow-nearest\nchannels: rgb\nstd: "
         "[1, 0, 1]\n",
         ": std must be"},
        {"size: [2, 2]\ngeometry: squash\nfilter: opencv-linear\nchannels: rgb\n", ":3:"},
        {"", ":1:1: the file is empty"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        pn_preprocess p;
        pn_err err = {0};
        pn_status st = read_text(&p, cases[i].yaml, &err);
        if (st != PN_ECONFIG || !strstr(pn_err_text(&err), cases[i].part))
            fail_msg("%s: %s, \"%s\"", cases[i].yaml, pn_status_name(st),
                     pn_err_text(&err));
        pn_err_clear(&err);
    }
    pn_preprocess p;
    assert_int_equal(pn_preprocess_read_yaml(&p, "/no/such/file", NULL), PN_ENOENT);
}

static void json_gives_back_what_it_was_given(void **state)
{
    (void)state;
    static const char *const yamls[] = {
        LITE0,
        "size: [227, 227]\ngeometry: centre_square\nfilter: pillow-bilinear\nchannels: "
        "bgr\n"
        "scale: 0.00392156862745098\nmean: [0.485, 0.456, 0.406]\nstd: [0.229, 0.224, "
        "0.225]\n"
        "exif: apply\nalpha: white\n",
        "size: [8, 8]\ngeometry: letterbox\nfilter: pillow-nearest\nchannels: rgb\nfill: "
        "114\n"
        "alpha: black\n",
    };
    for (size_t i = 0; i < sizeof(yamls) / sizeof(yamls[0]); i++) {
        pn_preprocess p, q;
        char *json = NULL;
        memset(&p, 0, sizeof(p));
        memset(&q, 0, sizeof(q));
        assert_int_equal(read_text(&p, yamls[i], NULL), PN_OK);
        assert_int_equal(pn_preprocess_to_json(&p, &json), PN_OK);
        assert_null(strchr(json, '\n'));
        assert_int_equal(pn_preprocess_from_json(&q, json, "meta", NULL), PN_OK);
        assert_int_equal(p.height, q.height);
        assert_int_equal(p.width, q.width);
        assert_int_equal(p.geometry, q.geometry);
        assert_int_equal(p.short_side, q.short_side);
        assert_int_equal(p.filter, q.filter);
        assert_int_equal(p.channels, q.channels);
        assert_int_equal(p.exif, q.exif);
        assert_int_equal(p.alpha, q.alpha);
        assert_int_equal(p.fill, q.fill);
        assert_memory_equal(&p.scale, &q.scale, sizeof(p.scale));
        assert_memory_equal(p.mean, q.mean, sizeof(p.mean));
        assert_memory_equal(p.std, q.std, sizeof(p.std));
        free(json);
    }
}

static void json_is_as_strict_as_yaml(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "3",
        "{}",
        "{\"size\": [2, 2]}",
        "{\"size\": [2, 2], \"geometry\": \"squash\", \"filter\": \"pillow-nearest\", "
        "\"channels\": \"rgb\", \"odd\": 1}",
        "{\"size\": [2, 2], \"geometry\": \"squash\", \"filter\": \"pillow-nearest\", "
        "\"channels\": \"rgb\", \"short_side\": 9}",
        "{\"size\": [2, \"2\"], \"geometry\": \"squash\", \"filter\": "
        "\"pillow-nearest\", "
        "\"channels\": \"rgb\"}",
        "{\"size\": [2, 2], \"size\": [2, 2], \"geometry\": \"squash\", \"filter\": "
        "\"pillow-nearest\", \"channels\": \"rgb\"}",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        pn_preprocess p;
        pn_err err = {0};
        pn_status st = pn_preprocess_from_json(&p, bad[i], "penult.preprocess", &err);
        if (st != PN_ECONFIG || err.status != PN_ECONFIG ||
            !strstr(pn_err_text(&err), "penult.preprocess"))
            fail_msg("%s: %s, \"%s\"", bad[i], pn_status_name(st), pn_err_text(&err));
        pn_err_clear(&err);
    }
}

static void presets_are_what_their_nets_want(void **state)
{
    (void)state;
    pn_preprocess p;
    pn_err err = {0};
    assert_int_equal(pn_preprocess_preset(&p, "tutorial", NULL), PN_OK);
    assert_int_equal(p.geometry, PN_GEOMETRY_SQUASH);
    assert_int_equal(p.filter, PN_FILTER_PILLOW_NEAREST);
    assert_int_equal(p.channels, PN_CHANNELS_BGR);
    assert_int_equal(p.height, 224);
    assert_true(p.scale == 1 && p.mean[1] == 0 && p.std[2] == 1);
    assert_int_equal(pn_preprocess_preset(&p, "mxnet-resnet", NULL), PN_OK);
    assert_int_equal(p.geometry, PN_GEOMETRY_SHORT_SIDE_CROP);
    assert_int_equal(p.short_side, 256);
    assert_int_equal(p.channels, PN_CHANNELS_RGB);
    assert_int_equal(pn_preprocess_preset(&p, "resnet", &err), PN_EINVAL);
    assert_non_null(strstr(pn_err_text(&err), "tutorial or mxnet-resnet"));
    pn_err_clear(&err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_read_with_its_defaults),
        cmocka_unit_test(broken_rules_are_named_with_their_place),
        cmocka_unit_test(json_gives_back_what_it_was_given),
        cmocka_unit_test(json_is_as_strict_as_yaml),
        cmocka_unit_test(presets_are_what_their_nets_want),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
