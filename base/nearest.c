/* Which word was meant: by edit distance, near misses only. */
#include <stdlib.h>
#include <string.h>

#include "base/fields.h"

enum { MAX_WORD = 64 };

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein's; words are short */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t row[MAX_WORD + 1];
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1]));
            diagonal = above;
        }
    }
    return row[nb];
}

const char *pn_word_nearest(const char *const *words, const char *word)
{
    size_t n = strlen(word), best = SIZE_MAX;
    const char *nearest = NULL;
    if (!n || n > MAX_WORD) return NULL;
    for (; *words; words++) {
        size_t m = strlen(*words);
        if (m > MAX_WORD) continue;
        size_t d = distance(word, n, *words, m);
        size_t limit = m <= 3 ? 1 : m <= 5 ? 2 : 3;
        if (d <= limit && d < m && d < best) best = d, nearest = *words;
    }
    return nearest;
}
