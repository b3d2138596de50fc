/* Levels, one line a message, one message at a time. */
#include "penult/log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"

/* The only state of the process that is ours: set once by main before any thread starts.
 */
static struct {
    pthread_mutex_t lock;
    pn_log_level level;
    pn_log_fn *fn;
    void *cookie;
    bool over_line;
} sink = {PTHREAD_MUTEX_INITIALIZER, PN_LOG_INFO, NULL, NULL, false};

void pn_log_setup(pn_log_level level, pn_log_fn *fn, void *cookie)
{
    pthread_mutex_lock(&sink.lock);
    sink.level = level;
    sink.fn = fn;
    sink.cookie = cookie;
    pthread_mutex_unlock(&sink.lock);
}

void pn_log_over_line(bool on)
{
    pthread_mutex_lock(&sink.lock);
    sink.over_line = on;
    pthread_mutex_unlock(&sink.lock);
}

void pn_log(pn_log_level level, const char *fmt, ...)
{
    static const char *const names[] = {"error", "warning", "info", "debug"};
    if (level > sink.level) return;
    char *line = NULL;
    va_list ap;
    va_start(ap, fmt);
    int n = vasprintf(&line, fmt, ap);
    va_end(ap);
    if (n < 0) return;
    pthread_mutex_lock(&sink.lock);
    if (!sink.fn && sink.over_line) fputs("\r\x1b[K", stderr);
    if (sink.fn)
        sink.fn(sink.cookie, level, line);
    else if (level == PN_LOG_INFO)
        pn_print_line(stderr, "penult: %s", line);
    else
        pn_print_line(stderr, "penult: %s: %s", names[level], line);
    pthread_mutex_unlock(&sink.lock);
    free(line);
}
