/* Keys: which field one means, which were given, and what to say when it is none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"

enum { MAX_WORDS = 128, MAX_NAME = 64 };

const pn_field *pn_field_find(const pn_section *sections, int n, const char *section,
                              const char *key, const pn_section **in)
{
    for (int i = 0; i < n; i++) {
        if (strcmp(sections[i].name, section) != 0) continue;
        for (const pn_field *f = sections[i].fields; f && f->key; f++) {
            if (strcmp(f->key, key) != 0) continue;
            if (in) *in = &sections[i];
            return f;
        }
    }
    return NULL;
}

bool pn_field_given(const pn_section *s, const char *key)
{
    const pn_field *f = pn_field_find(s, 1, s->name, key, NULL);
    return f && s->given && f - s->fields < 64 && *s->given >> (f - s->fields) & 1;
}

pn_status pn_fields_required(const pn_section *sections, int n, const char *where,
                             pn_err *err)
{
    for (int i = 0; i < n; i++) {
        const pn_section *s = &sections[i];
        for (const pn_field *f = s->fields; f && f->key; f++)
            if (f->required && !pn_field_given(s, f->key))
                return pn_fail(err, PN_ECONFIG, "%s: %s%s%s is missing%s%s", where,
                               s->name, *s->name ? "." : "", f->key, f->help ? ": " : "",
                               f->help ? f->help : "");
    }
    return PN_OK;
}

/* a section's keys; at the top also the names of the other sections */
static void collect(const pn_section *sections, int n, const char *section,
                    const char **words)
{
    int used = 0;
    for (int i = 0; i < n; i++) {
        bool own = strcmp(sections[i].name, section) == 0;
        if (!own && !*section && used < MAX_WORDS) words[used++] = sections[i].name;
        for (const pn_field *f = sections[i].fields; own && f && f->key; f++)
            if (used < MAX_WORDS) words[used++] = f->key;
    }
    words[used] = NULL;
}

/* "a, b, c"; names that several sections share, once */
static char *list_words(const char *const *words)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);
    if (!f) return NULL;
    for (int i = 0; words[i]; i++) {
        bool repeated = false;
        for (int j = 0; j < i; j++)
            repeated = repeated || strcmp(words[i], words[j]) == 0;
        if (!repeated) fprintf(f, "%s%s", i ? ", " : "", words[i]);
    }
    if (fclose(f) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

pn_status pn_field_unknown(const pn_section *sections, int n, const char *section,
                           const char *key, const char *where, pn_err *err)
{
    const char *words[MAX_WORDS + 1];
    const char *point = *section ? "." : "";
    char name[MAX_NAME + 1];
    size_t size = 0;
    for (; key[size] && size < MAX_NAME; size++)
        name[size] = key[size] >= ' ' && key[size] < 127 ? key[size] : '?';
    name[size] = '\0';
    collect(sections, n, section, words);
    const char *near = pn_word_nearest(words, key);
    if (near)
        return pn_fail(err, PN_ECONFIG, "%s: unknown key %s%s%s; did you mean %s?", where,
                       section, point, name, near);
    char *list = list_words(words);
    pn_fail(err, PN_ECONFIG, "%s: unknown key %s%s%s; there are: %s", where, section,
            point, name, list ? list : "none");
    free(list);
    return PN_ECONFIG;
}

pn_status pn_fields_set_named(const pn_section *sections, int n, const char *name,
                              const char *text, const char *where, const char *folder,
                              pn_err *err)
{
    const char *point = strchr(name, '.');
    char section[MAX_NAME + 1] = "";
    size_t size = point ? (size_t)(point - name) : 0;
    const char *key = point ? point + 1 : name;
    bool known = false;
    if (size <= MAX_NAME) memcpy(section, name, size), section[size] = '\0';
    for (int i = 0; i < n; i++)
        known = known || strcmp(sections[i].name, section) == 0;
    if (point && (size > MAX_NAME || !known))
        return pn_field_unknown(sections, n, "", section, where, err);
    const pn_section *in = NULL;
    const pn_field *f = pn_field_find(sections, n, section, key, &in);
    if (!f) return pn_field_unknown(sections, n, section, key, where, err);
    return pn_field_set(in, f, text, where, folder, err);
}
