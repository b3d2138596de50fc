/* One face for an .npz and for an .npy, which is an archive of one array. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/npy.h"
#include "model/zip_read.h"

struct pn_npz {
    const pn_file *file;
    pn_zip *zip; /* NULL: the file is one .npy */
    char **names;
};

static const char ending[] = ".npy";

static bool begins_with(const pn_file *f, const char *bytes, size_t n)
{
    return f->size >= n && memcmp(f->data, bytes, n) == 0;
}

static bool is_npy(const pn_file *f)
{
    return begins_with(f, "\x93NUMPY", 6);
}

bool pn_npz_suits(const pn_file *file)
{
    return is_npy(file) || begins_with(file, "PK\x03\x04", 4) ||
           begins_with(file, "PK\x05\x06", 4);
}

/* what numpy.savez calls NAME.npy is the array NAME */
static pn_status read_names(pn_npz *z, pn_err *err)
{
    z->names = calloc((size_t)z->zip->n + 1, sizeof(*z->names));
    if (!z->names) return pn_fail(err, PN_ENOMEM, "%s: out of memory", z->file->path);
    for (int i = 0; i < z->zip->n; i++) {
        const char *name = z->zip->entries[i].name;
        const size_t size = strlen(name), end = sizeof(ending) - 1;
        if (size < end || strcmp(name + size - end, ending) != 0)
            return pn_fail(err, PN_EUNSUPPORTED,
                           "%s: is no .npz: it holds %s, and all there is must be .npy",
                           z->file->path, name);
        z->names[i] = strndup(name, size - end);
        if (!z->names[i])
            return pn_fail(err, PN_ENOMEM, "%s: out of memory", z->file->path);
    }
    return PN_OK;
}

pn_status pn_npz_open(pn_npz **out, const pn_file *file, pn_err *err)
{
    if (!pn_npz_suits(file))
        return pn_fail(err, PN_EFORMAT, "%s: is neither an .npy nor an .npz", file->path);
    pn_npz *z = calloc(1, sizeof(*z));
    if (!z) return pn_fail(err, PN_ENOMEM, "%s: out of memory", file->path);
    z->file = file;
    pn_status st = is_npy(file) ? PN_OK : pn_zip_open(&z->zip, file, err);
    if (!st && z->zip) st = read_names(z, err);
    if (st)
        pn_npz_close(&z);
    else
        *out = z;
    return st;
}

void pn_npz_close(pn_npz **z)
{
    if (!*z) return;
    for (int i = 0; (*z)->names && i < (*z)->zip->n; i++)
        free((*z)->names[i]);
    free((*z)->names);
    pn_zip_close(&(*z)->zip);
    free(*z);
    *z = NULL;
}

int pn_npz_count(const pn_npz *z)
{
    return z->zip ? z->zip->n : 1;
}

const char *pn_npz_name(const pn_npz *z, int i)
{
    return z->zip ? z->names[i] : "";
}

pn_status pn_npz_read(const pn_npz *z, int i, pn_npy_array *out, void **memory,
                      pn_err *err)
{
    *memory = NULL;
    if (!z->zip)
        return pn_npy_parse(out, z->file->data, z->file->size, z->file->path, err);
    const unsigned char *bytes;
    pn_status st = pn_zip_read(z->zip, i, &bytes, memory, err);
    if (st) return st;
    const pn_zip_entry *e = &z->zip->entries[i];
    st = pn_npy_parse(out, bytes, (size_t)e->size_bytes, e->name, err);
    if (st) {
        pn_err_prefix(err, "%s", z->file->path);
        free(*memory);
        *memory = NULL;
    }
    return st;
}
