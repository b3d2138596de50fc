/* Messages on a terminal that shows a line which is rewritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "penult/log.h"

/* what two messages write to stderr, the first over a line */
static void two_messages(char *text, size_t size)
{
    FILE *file = tmpfile();
    assert_non_null(file);
    fflush(stderr);
    int before = dup(2);
    dup2(fileno(file), 2);
    pn_log_over_line(true);
    pn_log(PN_LOG_WARN, "one");
    pn_log_over_line(false);
    pn_log(PN_LOG_INFO, "two");
    fflush(stderr);
    dup2(before, 2);
    close(before);
    rewind(file);
    text[fread(text, 1, size - 1, file)] = '\0';
    fclose(file);
}

static void a_message_wipes_the_line_it_comes_over(void **state)
{
    (void)state;
    char text[200];
    two_messages(text, sizeof(text));
    assert_string_equal(text, "\r\x1b[Kpenult: warning: one\npenult: two\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_wipes_the_line_it_comes_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
