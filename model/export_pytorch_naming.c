/* What classes, their instances and members are called: the names that the source gave,
 * as far as they tell something. */
#include <ctype.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "model/export_pytorch.h"

const char *pt_trimmed(const char *name, const char *of, size_t prefix)
{
    return strlen(name) > prefix && strncmp(name, of, prefix) == 0 ? name + prefix : name;
}

void pt_trim_names(pt_step *s, const char *of, size_t prefix)
{
    s->name = pt_trimmed(s->name, of, prefix);
    for (int k = 0; k < s->n_members; k++)
        s->members[k]->name = pt_trimmed(s->members[k]->name, of, prefix);
}

const char *pt_first_name(const pt_step *steps, int n)
{
    for (int i = 0; i < n; i++)
        if (steps[i].n_members && steps[i].members[0]->make) return steps[i].name;
    return "";
}

/* a convolution with what follows it, not a unit */
bool pt_is_layer(const pt_step *from, int length)
{
    return length <= 3 && from[0].op == PN_OP_CONV;
}

/* the number at the end of a name, which has letters before it; -1: none */
static int number_of(const char *name)
{
    size_t n = strlen(name), at = n;
    while (at && isdigit((unsigned char)name[at - 1]))
        at--;
    return at && at < n && n - at < 6 ? atoi(name + at) : -1;
}

/* conv4, bn4, conv5 ... of a class are conv1, bn1, conv2: nets that number their layers
 * from end to end do not do so for its sake */
void pt_renumber(pt_export *e, pt_class *c)
{
    int least = INT_MAX;
    for (int i = 0; i < c->n_steps; i++)
        for (int k = 0; k < c->steps[i].n_members; k++) {
            const pt_member *m = c->steps[i].members[k];
            if (m->only_if || !m->make) continue;
            int number = number_of(m->name);
            if (number < 0) return;
            if (number < least) least = number;
        }
    if (least < 2 || least == INT_MAX) return;
    for (int i = 0; i < c->n_steps; i++)
        for (int k = 0; k < c->steps[i].n_members; k++) {
            pt_member *m = c->steps[i].members[k];
            if (m->only_if || !m->make) continue;
            size_t n = strlen(m->name);
            while (isdigit((unsigned char)m->name[n - 1]))
                n--;
            m->name =
                pt_format(e, "%.*s%d", (int)n, m->name, number_of(m->name) - least + 1);
        }
}

const char *pt_layer_member(const pt_step *s)
{
    return s->op == PN_OP_CONV ? "conv" : s->op == PN_OP_BATCH_NORM ? "bn" : "act";
}

/* what a layer is called anywhere, so that it tells nothing about a unit */
static bool is_generic(const char *word, size_t n)
{
    static const char *const words[] = {"conv", "bn",     "batchnorm", "layer", "layers",
                                        "relu", "conv2d", "norm",      "dense", "fc"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strlen(words[i]) == n && !strncmp(word, words[i], n)) return true;
    return false;
}

/* length of the name of a stretch: the beginning that its layers share */
static size_t shared_name(const pt_step *from, int length)
{
    size_t n = pt_common_prefix(from, length);
    const char *name = pt_first_name(from, length);
    for (;;) {
        while (n && !isalnum((unsigned char)name[n - 1]))
            n--;
        size_t begin = n;
        while (begin && isalpha((unsigned char)name[begin - 1]))
            begin--;
        if (begin == 0 || !is_generic(name + begin, n - begin)) return n;
        n = begin;
    }
}

/* conv_1 for conv_1_conv2d, conv_1_batchnorm ...; unit1_conv1 for that, unit1_bn2 ... */
const char *pt_instance_name(pt_export *e, const pt_step *from, int length)
{
    size_t prefix = pt_common_prefix(from, length), n;
    const char *name = pt_first_name(from, length);
    bool is_said = !strncmp(name + prefix, "conv", 4) &&
                   isalpha((unsigned char)name[strlen(name) - 1]);
    if (pt_is_layer(from, length) && !is_said) return name;
    n = shared_name(from, length);
    if (!n && !pt_is_layer(from, length)) return ""; /* named after its class */
    return n ? pt_format(e, "%.*s", (int)n, name) : name;
}

static const char *layer_word(pt_export *e, const pt_step *s)
{
    switch (s->op) {
    case PN_OP_CONV:
        return "Conv";
    case PN_OP_BATCH_NORM:
        return "BN";
    case PN_OP_RELU:
        return "ReLU";
    case PN_OP_CLIP:
        return strcmp(s->text, "F.relu6($0)") ? "Clip" : "ReLU6";
    case PN_OP_PRELU:
        return "PReLU";
    case PN_OP_LEAKY_RELU:
        return "LeakyReLU";
    default:
        return s->op < PN_N_OPS ? pt_format(e, "%s", pn_op_name((pn_op)s->op)) : "Block";
    }
}

/* ConvBNReLU for a layer; for a unit the last word of its own name, without its number */
const char *pt_class_name(pt_export *e, const pt_step *from, int length)
{
    const char *name = pt_first_name(from, length), *text = "";
    if (pt_is_layer(from, length)) {
        for (int i = 0; i < length; i++)
            text = pt_format(e, "%s%s", text, layer_word(e, &from[i]));
        return text;
    }
    size_t end = shared_name(from, length), begin;
    while (end && !isalpha((unsigned char)name[end - 1]))
        end--;
    for (begin = end; begin && isalpha((unsigned char)name[begin - 1]);)
        begin--;
    bool is_word = end - begin >= 4 && end - begin <= 20;
    if (is_word && strncmp(name + begin, "stage", 5) != 0 &&
        strncmp(name + begin, "layer", 5) != 0 &&
        strncmp(name + begin, "features", 8) != 0)
        return pt_camel_case(e, pt_format(e, "%.*s", (int)(end - begin), name + begin),
                             "Block");
    const pt_step *last = &from[length - 1];
    for (int i = 0; i < length; i++)
        if (from[i].op == PN_OP_ADD) return "ResidualBlock";
    return last->op == PN_OP_CONCAT ? "ConcatBlock" : "Block";
}
