/* The preprocessing record: one table of fields for its YAML and its JSON, and the rules
 * that no single field can say. */
#include "penult/preprocess.h"

#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"
#include "base/json.h"
#include "base/yaml.h"

enum { MAX_SIDE = 8192, MAX_RECORD_BYTES = 64 << 10 };

/* the record as the table fills it */
typedef struct record {
    int64_t size[2], short_side, fill;
    int geometry, filter, channels, exif, alpha;
    double scale, mean[3], std[3];
} record;

static const char *const geometries[] = {"squash", "short_side_crop", "letterbox",
                                         "centre_square", NULL};
static const char *const filters[] = {"pillow-nearest", "pillow-bilinear",
                                      "pillow-bicubic", NULL};
static const char *const orders[] = {"rgb", "bgr", NULL};
static const char *const exifs[] = {"ignore", "apply", NULL};
static const char *const alphas[] = {"ignore", "white", "black", NULL};

#define AT(field) offsetof(record, field)
static const pn_field fields[] = {
    {.key = "size",
     .type = PN_FIELD_INTS,
     .offset = AT(size),
     .count = 2,
     .required = true,
     .min = 1,
     .max = MAX_SIDE,
     .help = "[height, width] in pixels that the network takes"},
    {.key = "geometry",
     .type = PN_FIELD_ENUM,
     .offset = AT(geometry),
     .names = geometries,
     .required = true,
     .help = "how an image comes to that size"},
    {.key = "short_side",
     .type = PN_FIELD_INT,
     .offset = AT(short_side),
     .fallback = "0",
     .min = 0,
     .max = MAX_SIDE,
     .help = "pixels, of short_side_crop; 0 for the others"},
    {.key = "filter",
     .type = PN_FIELD_ENUM,
     .offset = AT(filter),
     .names = filters,
     .required = true,
     .help = "the library's resampling that it equals"},
    {.key = "channels",
     .type = PN_FIELD_ENUM,
     .offset = AT(channels),
     .names = orders,
     .required = true,
     .help = "the network's channel order"},
    {.key = "scale",
     .type = PN_FIELD_REAL,
     .offset = AT(scale),
     .fallback = "1",
     .help = "y = (x * scale - mean) / std, x in 0..255"},
    {.key = "mean",
     .type = PN_FIELD_REALS,
     .offset = AT(mean),
     .count = 3,
     .fallback = "[0, 0, 0]",
     .help = "in the network's channel order"},
    {.key = "std",
     .type = PN_FIELD_REALS,
     .offset = AT(std),
     .count = 3,
     .fallback = "[1, 1, 1]",
     .help = "in the network's channel order, not 0"},
    {.key = "exif",
     .type = PN_FIELD_ENUM,
     .offset = AT(exif),
     .names = exifs,
     .fallback = "ignore",
     .help = "whether an EXIF orientation turns the image"},
    {.key = "alpha",
     .type = PN_FIELD_ENUM,
     .offset = AT(alpha),
     .names = alphas,
     .fallback = "ignore",
     .help = "what a transparent image is laid on"},
    {.key = "fill",
     .type = PN_FIELD_INT,
     .offset = AT(fill),
     .fallback = "0",
     .min = 0,
     .max = 255,
     .help = "grey level of letterbox's border"},
    {.key = NULL},
};

/* the first rule that the record breaks, and the key that it is about; NULL: none */
static const char *broken_rule(const record *r, const char **key)
{
    int64_t larger = r->size[0] > r->size[1] ? r->size[0] : r->size[1];
    bool crops = r->geometry == PN_GEOMETRY_SHORT_SIDE_CROP;
    *key = "short_side";
    if (crops && r->short_side == 0) return "is required with geometry: short_side_crop";
    if (!crops && r->short_side) return "goes with geometry: short_side_crop only";
    if (crops && r->short_side < larger)
        return "must be at least the larger side of size";
    *key = "fill";
    if (r->fill && r->geometry != PN_GEOMETRY_LETTERBOX)
        return "goes with geometry: letterbox only";
    *key = "scale";
    if (!isfinite((float)r->scale) || (float)r->scale == 0)
        return "must be a float32 other than 0";
    for (int c = 0; c < 3; c++) {
        *key = "std";
        if (!isfinite((float)r->std[c]) || (float)r->std[c] == 0)
            return "must be three float32 other than 0";
        *key = "mean";
        if (!isfinite((float)r->mean[c])) return "must be three float32";
    }
    return NULL;
}

static void from_record(pn_preprocess *out, const record *r)
{
    *out = (pn_preprocess){
        .height = (int)r->size[0],
        .width = (int)r->size[1],
        .geometry = (pn_geometry)r->geometry,
        .short_side = (int)r->short_side,
        .filter = (pn_filter)r->filter,
        .channels = (pn_channels)r->channels,
        .scale = r->scale,
        .exif = (pn_exif)r->exif,
        .alpha = (pn_alpha)r->alpha,
        .fill = (int)r->fill,
    };
    memcpy(out->mean, r->mean, sizeof(out->mean));
    memcpy(out->std, r->std, sizeof(out->std));
}

pn_status pn_preprocess_read_yaml(pn_preprocess *out, const char *path, pn_err *err)
{
    record r = {0};
    uint64_t given = 0;
    pn_section s = {.name = "", .fields = fields, .base = &r, .given = &given};
    pn_yaml *y = NULL;
    const char *key, *rule;
    pn_status st = pn_yaml_open(&y, path, err);
    if (!st) st = pn_fields_defaults(&s, err);
    if (!st) st = pn_yaml_fill(y, &s, 1, err);
    if (!st) st = pn_fields_required(&s, 1, path, err);
    if (!st && (rule = broken_rule(&r, &key)) != NULL) {
        char *where = NULL;
        if (!pn_yaml_peek(y, "", key, &where)) where = NULL;
        st = pn_fail(err, PN_ECONFIG, "%s: %s %s", where ? where : path, key, rule);
        free(where);
    }
    if (!st) from_record(out, &r);
    pn_yaml_close(&y);
    return st;
}

pn_status pn_preprocess_from_json(pn_preprocess *out, const char *json, const char *where,
                                  pn_err *err)
{
    record r = {0};
    uint64_t given = 0;
    pn_section s = {.name = "", .fields = fields, .base = &r, .given = &given};
    json_t *root = NULL;
    const char *key, *rule;
    pn_status st = pn_json_parse(&root, json, strlen(json), MAX_RECORD_BYTES, where, err);
    if (st == PN_EFORMAT) {
        st = PN_ECONFIG; /* a record that breaks a rule, whatever it is written in */
        if (err) err->status = st;
    }
    if (!st) st = pn_fields_defaults(&s, err);
    if (!st) st = pn_json_fill(root, &s, where, NULL, err);
    if (!st) st = pn_fields_required(&s, 1, where, err);
    if (!st && (rule = broken_rule(&r, &key)) != NULL)
        st = pn_fail(err, PN_ECONFIG, "%s: %s %s", where, key, rule);
    if (!st) from_record(out, &r);
    json_decref(root);
    return st;
}

pn_status pn_preprocess_to_json(const pn_preprocess *p, char **json)
{
    record r = {
        .size = {p->height, p->width},
        .geometry = (int)p->geometry,
        .short_side = p->short_side,
        .filter = (int)p->filter,
        .channels = (int)p->channels,
        .scale = p->scale,
        .exif = (int)p->exif,
        .alpha = (int)p->alpha,
        .fill = p->fill,
    };
    memcpy(r.mean, p->mean, sizeof(r.mean));
    memcpy(r.std, p->std, sizeof(r.std));
    pn_section s = {.name = "", .fields = fields, .base = &r};
    return pn_fields_print_json(&s, json);
}

pn_status pn_preprocess_preset(pn_preprocess *out, const char *name, pn_err *err)
{
    static const pn_preprocess tutorial = {
        .height = 224,
        .width = 224,
        .geometry = PN_GEOMETRY_SQUASH,
        .filter = PN_FILTER_PILLOW_NEAREST,
        .channels = PN_CHANNELS_BGR,
        .scale = 1,
        .std = {1, 1, 1},
    };
    static const pn_preprocess mxnet_resnet = {
        .height = 224,
        .width = 224,
        .geometry = PN_GEOMETRY_SHORT_SIDE_CROP,
        .short_side = 256,
        .filter = PN_FILTER_PILLOW_BILINEAR,
        .channels = PN_CHANNELS_RGB,
        .scale = 1,
        .std = {1, 1, 1},
    };
    if (!strcmp(name, "tutorial"))
        *out = tutorial;
    else if (!strcmp(name, "mxnet-resnet"))
        *out = mxnet_resnet;
    else
        return pn_fail(err, PN_EINVAL, "preset \"%s\": must be tutorial or mxnet-resnet",
                       name);
    return PN_OK;
}
