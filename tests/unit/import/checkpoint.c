#include "checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/model/onnx_cases.h"

void put(bytes *b, const void *data, size_t size)
{
    b->data = realloc(b->data, b->size + size + 1);
    if (!b->data) abort();
    if (size) memcpy(b->data + b->size, data, size);
    b->size += size;
}

void put_u32(bytes *b, uint32_t v)
{
    put(b, &v, sizeof(v));
}

void put_u64(bytes *b, uint64_t v)
{
    put(b, &v, sizeof(v));
}

void put_f32(bytes *b, float v)
{
    put(b, &v, sizeof(v));
}

void bytes_fini(bytes *b)
{
    free(b->data);
    memset(b, 0, sizeof(*b));
}

void put_list_head(bytes *b, uint64_t n_arrays)
{
    put_u64(b, 0x112);
    put_u64(b, 0);
    put_u64(b, n_arrays);
}

void put_array(bytes *b, int version, int ndim, const int64_t *dim, int type_flag,
               const void *data, size_t size)
{
    if (version > 0) put_u32(b, 0xF993FAC7u + (uint32_t)version);
    if (version > 1) put_u32(b, 0); /* dense */
    put_u32(b, (uint32_t)ndim);
    for (int i = 0; i < ndim; i++) {
        if (version)
            put_u64(b, (uint64_t)dim[i]);
        else
            put_u32(b, (uint32_t)dim[i]);
    }
    if (ndim == 0 && version < 3) return;
    put_u32(b, 2); /* saved on a GPU ... */
    put_u32(b, 3); /* ... the fourth */
    put_u32(b, (uint32_t)type_flag);
    put(b, data, size);
}

void put_names(bytes *b, const char *const *names)
{
    uint64_t n = 0;
    while (names[n])
        n++;
    put_u64(b, n);
    for (uint64_t i = 0; i < n; i++) {
        put_u64(b, strlen(names[i]));
        put(b, names[i], strlen(names[i]));
    }
}

pn_status read_params(pn_mx_params **out, const bytes *b, unsigned char **copy,
                      pn_err *err)
{
    static char path[] = "t.params";
    *copy = malloc(b->size ? b->size : 1);
    if (!*copy) abort();
    if (b->size) memcpy(*copy, b->data, b->size);
    pn_file f = {.path = path, .data = *copy, .size = b->size};
    return pn_mx_params_read(out, &f, err);
}

void put_weights(bytes *b, const weight *w)
{
    uint64_t n = 0;
    while (w[n].name)
        n++;
    put_list_head(b, n);
    for (uint64_t i = 0; i < n; i++) {
        size_t count = 1;
        for (int k = 0; k < w[i].ndim; k++)
            count *= (size_t)w[i].dim[k];
        float *data = malloc(count * sizeof(float));
        if (!data) abort();
        for (size_t k = 0; k < count; k++)
            data[k] = 0.5F;
        put_array(b, 2, w[i].ndim, w[i].dim, 0, data, count * sizeof(float));
        free(data);
    }
    put_u64(b, n);
    for (uint64_t i = 0; i < n; i++) {
        put_u64(b, strlen(w[i].name));
        put(b, w[i].name, strlen(w[i].name));
    }
}

bytes numpys_file(const char *name)
{
    pn_file *f;
    onnx_case c = {0};
    bytes b = {0};
    size_t at = 0;
    if (pn_file_open(&f, PN_SOURCE_DIR "/tests/unit/model/npy_cases.bin", NULL)) abort();
    while (!b.data && case_next(f, &at, &c)) {
        if (strcmp(c.name, name) == 0) put(&b, c.model, c.model_size);
        case_fini(&c);
    }
    pn_file_close(&f);
    if (!b.data) abort();
    return b;
}

char *write_temp(const void *data, size_t size)
{
    char path[] = "/tmp/pn-import-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) != 0) abort();
    return strdup(path);
}

char *shared_file(const char *name)
{
    char *path;
    if (asprintf(&path, "%s/%s", PN_TEST_DATA, name) < 0) abort();
    if (access(path, R_OK) == 0) return path;
    free(path);
    return NULL;
}
