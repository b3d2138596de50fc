/* The lines of a forward(): which expressions go into which, and what the variables are
 * called. A value that is read once is written where it is read, as deep as a person
 * would nest calls; of the others the one at work is x, a second y, the rest have the
 * names that the source gave them. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_pytorch.h"

enum { MAX_NESTED = 3, MAX_EXPRESSION = 72, MAX_LINE = 100, INDENT = 8 };

typedef struct writer {
    pt_export *e;
    FILE *to;
    const pt_scope *scope;
    int *maker;        /* by value: step of the scope; PN_NONE: from outside */
    int *uses;         /* by value */
    int *last_root;    /* by value: step behind which it is not needed any more */
    const char **name; /* by value: its variable */
    int *depth;        /* by step: how deep its expression nests */
    size_t *length;    /* by step: about how long its expression is */
    bool *is_root;     /* by step: a line of its own */
    int held[2];       /* values in x and y */
    pt_names names;
} writer;

/* the token's number, $N or @N; text moves behind it */
static int number_at(const char **text)
{
    int n = 0;
    for (++*text; isdigit((unsigned char)**text); ++*text)
        n = n * 10 + (**text - '0');
    return n;
}

static int count_reads(const pt_step *s, int input)
{
    int n = 0;
    for (const char *p = s->text; *p;) {
        if (*p != '$')
            p++;
        else if (number_at(&p) == input)
            n++;
    }
    return n;
}

static const char *expression(writer *w, int step);

static const char *operand_text(writer *w, const pt_step *s, int input, char after)
{
    int value = s->inputs[input], maker = w->maker[value];
    if (maker == PN_NONE || w->is_root[maker])
        return w->name[value] ? w->name[value] : "None";
    const char *text = expression(w, maker);
    bool wants =
        w->scope->steps[maker].is_infix && (s->is_infix || after == '.' || after == '[');
    return wants ? pt_format(w->e, "(%s)", text) : text;
}

/* not deeper than MAX_NESTED */
static const char *expression(writer *w, int step)
{
    const pt_step *s = &w->scope->steps[step];
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out) {
        w->e->is_failed = true;
        return "";
    }
    for (const char *p = s->text; *p;) {
        if (*p == '$') {
            int input = number_at(&p);
            fputs(operand_text(w, s, input, *p), out);
        } else if (*p == '@') {
            fprintf(out, "self.%s", s->members[number_at(&p)]->name);
        } else {
            fputc(*p++, out);
        }
    }
    if (fclose(out) != 0) w->e->is_failed = true;
    const char *kept = pt_format(w->e, "%s", w->e->is_failed || !text ? "" : text);
    free(text);
    return kept;
}

static bool nests(writer *w, const pt_step *s, int input, size_t length)
{
    int value = s->inputs[input], maker = w->maker[value];
    return maker != PN_NONE && !w->is_root[maker] && w->uses[value] == 1 &&
           w->depth[maker] < MAX_NESTED && length + w->length[maker] < MAX_EXPRESSION &&
           count_reads(s, input) == 1;
}

/* which steps are lines */
static void choose_roots(writer *w)
{
    for (int i = 0; i < w->scope->n_steps; i++) {
        const pt_step *s = &w->scope->steps[i];
        w->length[i] = strlen(s->text);
        for (int k = 0; k < s->n_members; k++)
            w->length[i] += strlen(s->members[k]->name) + 3;
        for (int k = 0; k < s->n_inputs; k++) {
            int maker = w->maker[s->inputs[k]];
            if (maker == PN_NONE || w->is_root[maker]) continue;
            if (nests(w, s, k, w->length[i])) {
                w->length[i] += w->length[maker];
                if (w->depth[maker] >= w->depth[i]) w->depth[i] = w->depth[maker] + 1;
            } else {
                w->is_root[maker] = true;
            }
        }
        bool is_choice = s->n_members && s->members[0]->only_if;
        if (s->n_outputs != 1 || w->uses[s->outputs[0]] != 1 || is_choice)
            w->is_root[i] = true;
        if (!w->depth[i]) w->depth[i] = 1;
    }
    for (int i = 0; i < w->scope->n_outputs; i++)
        if (w->maker[w->scope->outputs[i]] != PN_NONE)
            w->is_root[w->maker[w->scope->outputs[i]]] = true;
}

/* line `root` needs what the expressions nested in it need */
static void note_reads(writer *w, int step, int root)
{
    const pt_step *s = &w->scope->steps[step];
    for (int k = 0; k < s->n_inputs; k++) {
        int value = s->inputs[k], maker = w->maker[value];
        if (maker == PN_NONE || w->is_root[maker])
            w->last_root[value] = root;
        else
            note_reads(w, maker, root);
    }
}

static const char *pick_name(writer *w, const pt_step *s, int value, int root)
{
    static const char *const slots[] = {"x", "y"};
    if (w->uses[value] == 0) return "_";
    for (int k = 0; k < 2; k++) {
        if (w->held[k] != PN_NONE && w->last_root[w->held[k]] > root) continue;
        w->held[k] = value;
        return slots[k];
    }
    return pt_unique(w->e, &w->names,
                     pt_identifier(w->e, s->name, strlen(s->name), "part"));
}

static const char *name_list(writer *w, const int *values, int n)
{
    const char *list = "";
    for (int i = 0; i < n; i++)
        list = pt_format(w->e, "%s%s%s", list, i ? ", " : "",
                         w->name[values[i]] ? w->name[values[i]] : "None");
    return list;
}

static void put_lines(writer *w)
{
    const pt_scope *sc = w->scope;
    bool is_returned = false;
    for (int i = 0; i < sc->n_steps && !w->e->is_failed; i++) {
        const pt_step *s = &sc->steps[i];
        if (!w->is_root[i]) continue;
        const char *text = expression(w, i);
        is_returned = i == sc->n_steps - 1 && sc->n_outputs == 1 && s->n_outputs == 1 &&
                      s->outputs[0] == sc->outputs[0];
        if (is_returned) {
            pt_put_line(w->e, w->to, INDENT, pt_format(w->e, "return %s", text));
            break;
        }
        for (int k = 0; k < s->n_outputs; k++)
            w->name[s->outputs[k]] = pick_name(w, s, s->outputs[k], i);
        pt_put_line(
            w->e, w->to, INDENT,
            pt_format(w->e, "%s = %s", name_list(w, s->outputs, s->n_outputs), text));
    }
    if (!is_returned)
        pt_put_line(
            w->e, w->to, INDENT,
            pt_format(w->e, "return %s", name_list(w, sc->outputs, sc->n_outputs)));
}

static void open_scope(writer *w)
{
    const pt_scope *sc = w->scope;
    for (int i = 0; i < w->e->g->n_values; i++)
        w->maker[i] = PN_NONE;
    for (int i = 0; i < sc->n_steps; i++) {
        const pt_step *s = &sc->steps[i];
        for (int k = 0; k < s->n_inputs; k++)
            w->uses[s->inputs[k]]++;
        for (int k = 0; k < s->n_outputs; k++)
            w->maker[s->outputs[k]] = i;
    }
    for (int i = 0; i < sc->n_outputs; i++)
        w->uses[sc->outputs[i]]++;
    choose_roots(w);
    for (int i = 0; i < sc->n_steps; i++)
        if (w->is_root[i]) note_reads(w, i, i);
    for (int i = 0; i < sc->n_outputs; i++)
        w->last_root[sc->outputs[i]] = sc->n_steps;
    for (int i = 0; i < sc->n_inputs; i++) {
        w->name[sc->inputs[i]] = sc->input_names[i];
        if (!strcmp(sc->input_names[i], "x"))
            w->held[0] = sc->inputs[i];
        else
            pt_unique(w->e, &w->names, sc->input_names[i]);
    }
}

void pt_put_forward(pt_export *e, FILE *to, const pt_scope *s)
{
    size_t n_values = (size_t)e->g->n_values + 1, n_steps = (size_t)s->n_steps + 1;
    writer w = {.e = e, .to = to, .scope = s, .held = {PN_NONE, PN_NONE}};
    w.maker = calloc(n_values, sizeof(*w.maker));
    w.uses = calloc(n_values, sizeof(*w.uses));
    w.last_root = calloc(n_values, sizeof(*w.last_root));
    w.name = calloc(n_values, sizeof(*w.name));
    w.depth = calloc(n_steps, sizeof(*w.depth));
    w.length = calloc(n_steps, sizeof(*w.length));
    w.is_root = calloc(n_steps, sizeof(*w.is_root));
    if (w.maker && w.uses && w.last_root && w.name && w.depth && w.length && w.is_root) {
        open_scope(&w);
        put_lines(&w);
    } else {
        e->is_failed = true;
    }
    free(w.maker);
    free(w.uses);
    free(w.last_root);
    free(w.name);
    free(w.depth);
    free(w.length);
    free(w.is_root);
}

/* the bracket that closes the one at `open`; NULL: none */
static const char *closing(const char *open)
{
    int depth = 0;
    for (const char *p = open; *p; p++) {
        if (strchr("([{", *p)) depth++;
        if (strchr(")]}", *p) && --depth == 0) return p;
    }
    return NULL;
}

/* the outermost bracket with most in it */
static const char *widest(const char *line)
{
    const char *best = NULL;
    size_t most = 2;
    for (const char *p = line; *p; p++) {
        if (!strchr("([{", *p)) continue;
        const char *end = closing(p);
        if (!end) return best;
        if ((size_t)(end - p) > most) {
            most = (size_t)(end - p);
            best = p;
        }
        p = end;
    }
    return best;
}

/* many short things, such as the inputs of a Concat: as many as go on a line */
static void put_filled(FILE *to, int indent, const char *from, const char *end)
{
    int column = 0;
    while (from < end) {
        const char *comma = memchr(from, ',', (size_t)(end - from));
        int length = (int)((comma ? comma : end) - from);
        if (column && column + length + 3 > MAX_LINE) column = fprintf(to, "\n") - 1;
        column += column ? fprintf(to, " ") : fprintf(to, "%*s", indent, "");
        column += fprintf(to, "%.*s,", length, from);
        from += length + (comma ? 1 : 0);
        while (from < end && *from == ' ')
            from++;
    }
    fprintf(to, "\n");
}

/* names and numbers, several of them */
static bool is_plain_list(const char *from, const char *end)
{
    int n_commas = 0;
    for (const char *p = from; p < end; p++) {
        if (strchr("([{\"", *p)) return false;
        n_commas += *p == ',';
    }
    return n_commas > 9;
}

static void put_broken(pt_export *e, FILE *to, int indent, const char *line, int depth)
{
    const char *open =
        strlen(line) + (size_t)indent > MAX_LINE && depth < 8 ? widest(line) : NULL;
    if (!open) {
        fprintf(to, "%*s%s\n", indent, "", line);
        return;
    }
    const char *end = closing(open), *from = open + 1;
    fprintf(to, "%*s%.*s\n", indent, "", (int)(open + 1 - line), line);
    if (end - from + indent + 4 <= MAX_LINE) {
        fprintf(to, "%*s%.*s\n", indent + 4, "", (int)(end - from), from);
        from = end;
    } else if (is_plain_list(from, end)) {
        put_filled(to, indent + 4, from, end);
        from = end;
    }
    int nested = 0, parts = 0;
    for (const char *p = from; from < end && p <= end; p++) {
        if (p < end && strchr("([{", *p)) nested++;
        if (p < end && strchr(")]}", *p)) nested--;
        if (p < end && (*p != ',' || nested)) continue;
        bool is_last = p == end;
        if (is_last && p == from) break;
        const char *part =
            pt_format(e, "%.*s%s", (int)(p - from), from, is_last && !parts ? "" : ",");
        parts++;
        put_broken(e, to, indent + 4, part, depth + 1);
        from = p + 1 + (p[1] == ' ');
    }
    put_broken(e, to, indent, end, depth + 1);
}

void pt_put_line(pt_export *e, FILE *to, int indent, const char *line)
{
    put_broken(e, to, indent, line, 0);
}
