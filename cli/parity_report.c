/* The proof of a conversion: which input, what the layers use of their bounds, how far
 * the outputs are off end to end. */
#include "cli/parity_report.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "cli/read_image.h"
#include "penult/image.h"
#include "penult/parity.h"
#include "pipeline/cpu_budget.h"

#define SEED 1

static pn_status check_sizes(const pn_graph *g, const pn_preprocess *p,
                             const char *sample, pn_err *err)
{
    char text[PN_SHAPE_TEXT];
    const pn_value *v = g->n_inputs == 1 ? &g->values[g->inputs[0]] : NULL;
    if (!v)
        return pn_fail(err, PN_EMISMATCH, "--sample %s: the model has %d inputs", sample,
                       g->n_inputs);
    const pn_shape *s = &v->shape;
    if (s->ndim == 4 && s->dim[1] == 3 && s->dim[2] == p->height && s->dim[3] == p->width)
        return PN_OK;
    return pn_fail(err, PN_EMISMATCH,
                   "--sample %s: the input \"%s\" is %s, the preprocessing record makes "
                   "3x%dx%d",
                   sample, v->name, pn_shape_text(s, text, sizeof(text)), p->height,
                   p->width);
}

/* to C x H x W, as the network wants it */
static float *planes_of(const pn_preprocess *p, const uint8_t *bgr)
{
    pn_normalizer normalizer;
    const size_t n = (size_t)p->height * (size_t)p->width;
    float *pixels = malloc(n * 3 * sizeof(*pixels)),
          *planes = malloc(n * 3 * sizeof(*planes));
    pn_normalizer_init(&normalizer, p);
    if (pixels && planes) {
        pn_normalizer_apply(&normalizer, bgr, pixels, n);
        for (size_t i = 0; i < n * 3; i++)
            planes[i % 3 * n + i / 3] = pixels[i];
    } else {
        free(planes);
        planes = NULL;
    }
    free(pixels);
    return planes;
}

static pn_status decode(const pn_preprocess *p, const char *sample, float **planes,
                        pn_err *err)
{
    const pn_batch_shape shape = {.capacity = 1, .height = p->height, .width = p->width};
    pn_batch *b = NULL;
    pn_decoder *d = NULL;
    pn_status st = pn_batch_new(&b, &shape);
    if (!st) st = pn_decoder_new(&d, p);
    if (!st) st = pn_cli_read_image(&b->items[0], sample);
    pn_item *it = b ? &b->items[0] : NULL;
    if (!st && !it->reason) st = pn_decoder_apply(d, it);
    if (!st && it->reason)
        st = pn_fail(err, it->reason == PN_REASON_READ ? PN_ENOENT : PN_EFORMAT,
                     "--sample %s: %s: %s", sample, pn_reason_name(it->reason), it->text);
    else if (!st && !(*planes = planes_of(p, it->pixels)))
        st = PN_ENOMEM;
    pn_decoder_free(&d);
    pn_batch_free(&b);
    return st ? pn_fail(err, st, "--sample %s: %s", sample, pn_status_name(st)) : PN_OK;
}

static pn_status load_sample(const pn_graph *g, const char *sample, pn_parity_opts *o,
                             float **planes, pn_err *err)
{
    pn_preprocess p;
    const char *json = pn_graph_meta(g, PN_META_PREPROCESS);
    if (!json)
        return pn_fail(err, PN_ECONFIG,
                       "--sample %s: nothing says what the network wants to see of it: "
                       "give a record (--preprocess, --preset)",
                       sample);
    pn_status st = pn_preprocess_from_json(&p, json, PN_META_PREPROCESS, err);
    if (!st) st = check_sizes(g, &p, sample, err);
    if (!st) st = decode(&p, sample, planes, err);
    if (st) return st;
    o->sample = *planes;
    o->n_sample = (size_t)p.height * (size_t)p.width * 3;
    return PN_OK;
}

static const char *plural(int n)
{
    return n == 1 ? "" : "s";
}

/* "12 % of its bound", "31 times its bound" */
static void say_layer(const char *before, const pn_parity_layer *l)
{
    char use[64];
    if (l->used > 1)
        snprintf(use, sizeof(use), "%.3g times its bound", l->used);
    else
        snprintf(use, sizeof(use), "%.2g %% of its bound", 100 * l->used);
    pn_print_line(stderr, "penult: %s%s \"%s\" %.2g relative, %s", before, l->op, l->name,
                  l->relative, use);
}

static void say_layers(const pn_parity *p, const char *input)
{
    char before[160];
    if (!p->n_missed) {
        snprintf(before, sizeof(before), "parity: %d layer%s within %s on %s; worst ",
                 p->n_layers, plural(p->n_layers),
                 p->n_layers == 1 ? "its bound" : "their bounds", input);
        if (p->n_layers)
            say_layer(before, &p->layers[p->worst]);
        else
            pn_print_line(stderr, "penult: parity: no layer computes anything");
        return;
    }
    pn_print_line(stderr,
                  "penult: parity: %d of %d layer%s beyond the bound on %s:", p->n_missed,
                  p->n_layers, plural(p->n_layers), input);
    for (int i = 0; i < p->n_layers; i++)
        if (!(p->layers[i].used <= 1)) say_layer("  ", &p->layers[i]);
}

static void say_outputs(const pn_parity *p)
{
    for (int i = 0; i < p->n_outputs; i++) {
        const pn_parity_output *o = &p->outputs[i];
        char ranks[64] = "";
        if (i == 0 && o->k > 1)
            snprintf(ranks, sizeof(ranks), "; top-1 %s, top-%d %d of %d",
                     o->first_agrees ? "the same" : "another", o->k, o->agree, o->k);
        pn_print_line(stderr, "penult:   %s: off by %.2g of its maximum, L2 %.2g%s",
                      o->name, o->greatest, o->l2, ranks);
    }
}

static void say(const pn_parity *p, const char *input)
{
    if (p->not_finite)
        pn_print_line(stderr,
                      "penult: parity: \"%s\" holds NaN or numbers beyond float's "
                      "range on %s, in double precision too: the weights are damaged, "
                      "or it is no input of theirs",
                      p->not_finite, input);
    else if (p->unproved)
        pn_print_line(stderr, "penult: warning: parity: not proved, %s: %s",
                      p->is_engines_gap
                          ? "as the engine cannot run it (nor will run and classify)"
                          : "as the judge cannot compute it",
                      p->unproved);
    else
        say_layers(p, input);
    if (p->strayed)
        pn_print_line(stderr,
                      "penult: parity: \"%s\" has other bits when an image goes through "
                      "its layers alone, as in a run",
                      p->strayed);
    say_outputs(p);
}

pn_status pn_cli_parity(const pn_graph *g, const char *sample, bool exact,
                        pn_cli_writer *writer, bool *holds, pn_err *err)
{
    pn_parity_opts o = {.seed = SEED,
                        .exact = exact,
                        .threads = pn_cpu_budget(),
                        .is_unwanted = pn_cli_write_has_failed,
                        .arg = writer};
    pn_parity p = {0};
    float *planes = NULL;
    pn_status st = sample ? load_sample(g, sample, &o, &planes, err) : PN_OK;
    if (!st) st = pn_parity_check(&p, g, &o, err);
    if (!st) {
        say(&p, sample        ? sample
                : p.is_0_to_1 ? "a seeded input of 0..1"
                              : "a seeded input");
        *holds = pn_parity_holds(&p);
        pn_parity_fini(&p);
    }
    free(planes);
    return st;
}
