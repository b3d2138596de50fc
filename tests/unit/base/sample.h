/** @file sample.h  A record with a field of every kind, for the tests of this folder. */
#ifndef PN_TESTS_BASE_SAMPLE_H
#define PN_TESTS_BASE_SAMPLE_H

#include "base/fields.h"

typedef struct sample {
    bool flag;
    int64_t count, threads;
    double scale, mean[3];
    int64_t size[2];
    char *name, *path;
    char **words;
    int colour;
    pn_limit limit;
} sample;

static const char *const sample_colours[] = {"red", "green", NULL};

static const pn_field sample_fields[] = {
    {.key = "flag",
     .type = PN_FIELD_BOOL,
     .offset = offsetof(sample, flag),
     .fallback = "true"},
    {.key = "count",
     .type = PN_FIELD_INT,
     .offset = offsetof(sample, count),
     .fallback = "3",
     .min = 1,
     .max = 10},
    {.key = "threads",
     .type = PN_FIELD_AUTO_INT,
     .offset = offsetof(sample, threads),
     .fallback = "auto",
     .min = 1,
     .max = 64},
    {.key = "scale",
     .type = PN_FIELD_REAL,
     .offset = offsetof(sample, scale),
     .fallback = "1"},
    {.key = "mean",
     .type = PN_FIELD_REALS,
     .offset = offsetof(sample, mean),
     .fallback = "0, 0, 0",
     .count = 3},
    {.key = "size",
     .type = PN_FIELD_INTS,
     .offset = offsetof(sample, size),
     .required = true,
     .min = 1,
     .max = 8192,
     .count = 2,
     .help = "[height, width] in pixels"},
    {.key = "name", .type = PN_FIELD_STRING, .offset = offsetof(sample, name)},
    {.key = "path", .type = PN_FIELD_PATH, .offset = offsetof(sample, path)},
    {.key = "words",
     .type = PN_FIELD_STRINGS,
     .offset = offsetof(sample, words),
     .fallback = "jpg, png"},
    {.key = "colour",
     .type = PN_FIELD_ENUM,
     .offset = offsetof(sample, colour),
     .fallback = "green",
     .names = sample_colours},
    {.key = "limit",
     .type = PN_FIELD_LIMIT,
     .offset = offsetof(sample, limit),
     .fallback = "0"},
    {.key = NULL},
};

/* a section over `s` with room for what was given */
static inline pn_section sample_section(const char *name, sample *s, uint64_t *given)
{
    return (pn_section){.name = name, .fields = sample_fields, .base = s, .given = given};
}

#endif
