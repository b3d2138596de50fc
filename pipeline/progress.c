/* The status line. A timer on the loop, since the loop is the only thread that never
 * computes. */
#include "pipeline/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "penult/log.h"

#define LINE_MS 500
#define LOG_MS 30000
#define SMOOTH_S 10.0
#define TEXT_BYTES 256

double pn_progress_rate(double rate, uint64_t n, double seconds)
{
    if (seconds <= 0) return rate;
    double now = (double)n / seconds;
    if (rate <= 0) return now;
    double weight = seconds / (seconds + SMOOTH_S);
    return rate + weight * (now - rate);
}

static int append_eta(char *buf, size_t size, double seconds)
{
    if (seconds > 99 * 86400.0) return snprintf(buf, size, ", ETA over 99 d");
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s >= 86400)
        return snprintf(buf, size, ", ETA %lu d %02lu:%02lu", s / 86400, s / 3600 % 24,
                        s / 60 % 60);
    return snprintf(buf, size, ", ETA %lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
}

const char *pn_progress_text(char *buf, size_t size, uint64_t seen, uint64_t total,
                             uint64_t failed, double rate, const char *bottleneck)
{
    char out[TEXT_BYTES]; /* holds all of it: five numbers and a stage's name */
    int n = total ? snprintf(out, sizeof(out), "%" PRIu64 "/%" PRIu64, seen, total)
                  : snprintf(out, sizeof(out), "%" PRIu64 " done", seen);
    n += snprintf(out + n, sizeof(out) - (size_t)n, ", %.*f img/s", rate < 10, rate);
    if (rate > 0 && total > seen)
        n += append_eta(out + n, sizeof(out) - (size_t)n, (double)(total - seen) / rate);
    n += snprintf(out + n, sizeof(out) - (size_t)n, ", %" PRIu64 " failed", failed);
    if (*bottleneck)
        snprintf(out + n, sizeof(out) - (size_t)n, ", limited by %.40s", bottleneck);
    snprintf(buf, size, "%s", out);
    return buf;
}

/* a line that wraps cannot be rewritten */
static int terminal_columns(void)
{
    struct winsize w;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &w) || w.ws_col < 20) return 80;
    return w.ws_col;
}

static void on_timer(uv_timer_t *timer)
{
    pn_progress *p = timer->data;
    pn_counts c;
    pn_stats_get_counts(p->stats, &c);
    uint64_t now = pn_now_ns();
    p->rate = pn_progress_rate(p->rate, c.seen - p->last_seen,
                               (double)(now - p->last_ns) / 1e9);
    p->last_ns = now;
    p->last_seen = c.seen;
    uint64_t total = atomic_load_explicit(&p->total, memory_order_relaxed);
    char text[TEXT_BYTES];
    pn_progress_text(text, sizeof(text), c.seen, total, c.failed, p->rate,
                     pn_stats_bottleneck(p->stats));
    if (p->mode == PN_PROGRESS_LOG) {
        pn_log(PN_LOG_INFO, "%s", text);
        return;
    }
    fprintf(stderr, "\r%.*s\x1b[K", terminal_columns() - 1, text);
    p->has_line = true;
}

pn_status pn_progress_start(pn_progress *p, uv_loop_t *loop, pn_progress_mode mode,
                            pn_stats *stats)
{
    p->stats = stats;
    p->last_ns = pn_now_ns();
    p->last_seen = 0;
    p->rate = 0;
    p->has_line = false;
    p->timer.data = p;
    if (mode == PN_PROGRESS_NONE) return PN_OK;
    uint64_t every_ms = mode == PN_PROGRESS_LINE ? LINE_MS : LOG_MS;
    if (uv_timer_init(loop, &p->timer)) return PN_EIO;
    p->mode = mode;
    pn_log_over_line(mode == PN_PROGRESS_LINE);
    return uv_timer_start(&p->timer, on_timer, every_ms, every_ms) ? PN_EIO : PN_OK;
}

void pn_progress_stop(pn_progress *p)
{
    if (p->mode == PN_PROGRESS_NONE) return;
    if (p->has_line) {
        on_timer(&p->timer); /* the last state stays to be read */
        fputc('\n', stderr);
    }
    pn_log_over_line(false);
    uv_close((uv_handle_t *)&p->timer, NULL);
    p->mode = PN_PROGRESS_NONE;
}
