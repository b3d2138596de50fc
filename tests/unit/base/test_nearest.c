/* Near misses are found, guesses are not made. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>

#include "base/fields.h"

static void near_misses_are_found_and_others_are_not(void **state)
{
    (void)state;
    static const char *const words[] = {"path",      "top_k", "threads", "batch",
                                        "on_exists", "cpu",   NULL};
    static const struct {
        const char *word, *near;
    } cases[] = {
        {"pth", "path"},       {"paht", "path"},   {"topk", "top_k"},
        {"thread", "threads"}, {"Batch", "batch"}, {"onexist", "on_exists"},
        {"gpu", "cpu"},        {"path", "path"},   {"x", NULL},
        {"colour", NULL},      {"", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *near = pn_word_nearest(words, cases[i].word);
        if (cases[i].near) {
            assert_non_null(near);
            assert_string_equal(near, cases[i].near);
        } else {
            assert_null(near);
        }
    }
}

static void absurdly_long_words_have_no_neighbour(void **state)
{
    (void)state;
    static const char *const words[] = {"path", NULL};
    char word[5000];
    memset(word, 'p', sizeof(word) - 1);
    word[sizeof(word) - 1] = '\0';
    assert_null(pn_word_nearest(words, word));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_misses_are_found_and_others_are_not),
        cmocka_unit_test(absurdly_long_words_have_no_neighbour),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
