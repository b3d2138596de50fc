/** @file onnx_cases.h  The cases of onnx_cases.bin (see make_onnx_cases.py), one by one.
 */
#ifndef PN_TEST_ONNX_CASES_H
#define PN_TEST_ONNX_CASES_H

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"

typedef struct onnx_case {
    char *name, *model, *expected, *verdict; /* malloc'd, each of exactly its size */
    size_t model_size;
} onnx_case;

static inline char *case_part(const pn_file *f, size_t *at, size_t *size)
{
    uint32_t n;
    assert(f->size - *at >= sizeof(n));
    memcpy(&n, f->data + *at, sizeof(n));
    *at += sizeof(n);
    assert(f->size - *at >= n);
    /* text ends in a NUL; a model does not: reading past it must be seen */
    char *part = calloc(1, (size_t)n + (size ? 0 : 1) + (n == 0));
    assert(part);
    memcpy(part, f->data + *at, n);
    *at += n;
    if (size) *size = n;
    return part;
}

/** false at the end. Free it with case_fini(). */
static inline int case_next(const pn_file *f, size_t *at, onnx_case *c)
{
    if (*at == f->size) return 0;
    c->name = case_part(f, at, NULL);
    c->model = case_part(f, at, &c->model_size);
    c->expected = case_part(f, at, NULL);
    c->verdict = case_part(f, at, NULL);
    return 1;
}

static inline void case_fini(onnx_case *c)
{
    free(c->name);
    free(c->model);
    free(c->expected);
    free(c->verdict);
}

static inline pn_file *cases_open(void)
{
    pn_file *f = NULL;
    if (pn_file_open(&f, PN_SOURCE_DIR "/tests/unit/model/onnx_cases.bin", NULL)) abort();
    return f;
}
#endif
