#include "model/convert_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/sha256.h"
#include "base/utf8.h"

/* a file's name is bytes, JSON is text */
static void print_json_string(FILE *to, const char *s)
{
    size_t left = strlen(s), n;
    fputc('"', to);
    for (; left; s += n, left -= n) {
        n = pn_utf8_length((const unsigned char *)s, left);
        if (n == 0) {
            fputs("\\ufffd", to);
            n = 1;
        } else if (n == 1 && ((unsigned char)*s < 0x20 || *s == '"' || *s == '\\')) {
            fprintf(to, "\\u%04x", (unsigned)(unsigned char)*s);
        } else {
            fwrite(s, 1, n, to);
        }
    }
    fputc('"', to);
}

pn_status pn_source_add(pn_source *s, const pn_file *f, pn_digest *digest)
{
    char hex[PN_SHA256_HEX];
    const char *slash = strrchr(f->path, '/'), *begin = s->to ? ", " : "[";
    if (!s->to) s->to = open_memstream(&s->text, &s->size);
    if (!s->to) return PN_ENOMEM;
    fprintf(s->to, "%s{\"file\": ", begin);
    print_json_string(s->to, slash ? slash + 1 : f->path);
    fputs(", \"sha256\": \"", s->to);
    if (digest) {
        memset(hex, '0', PN_SHA256_HEX - 1);
        hex[PN_SHA256_HEX - 1] = '\0';
        *digest = (pn_digest){.data = f->data, .size = f->size};
        s->digest = digest;
        s->digest_at = ftell(s->to);
    } else {
        pn_sha256_hex(f->data, f->size, hex);
    }
    fprintf(s->to, "%s\", \"bytes\": %zu}", hex, f->size);
    return PN_OK;
}

void pn_digest_make(const pn_digest *d)
{
    char hex[PN_SHA256_HEX];
    if (!d->data) return;
    pn_sha256_hex(d->data, d->size, hex);
    memcpy(d->hex, hex, PN_SHA256_HEX - 1);
}

pn_status pn_source_store(pn_source *s, pn_graph *g)
{
    if (pn_graph_meta(g, PN_META_SOURCE)) {
        if (s->digest) *s->digest = (pn_digest){0};
        return PN_OK;
    }
    fputc(']', s->to);
    const bool is_whole = fclose(s->to) == 0;
    s->to = NULL;
    pn_status st = is_whole ? pn_graph_set_meta(g, PN_META_SOURCE, s->text) : PN_ENOMEM;
    if (st || !s->digest) return st;
    const char *text = pn_graph_meta(g, PN_META_SOURCE);
    s->digest->hex = (char *)(uintptr_t)text + s->digest_at;
    return PN_OK;
}

void pn_source_fini(pn_source *s)
{
    if (s->to) fclose(s->to);
    free(s->text);
}
