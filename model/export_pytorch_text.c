/* Words and numbers of Python, made of what a model's author wrote: nothing of that gets
 * into the source as it stands. */
#include "model/export_pytorch.h"

#include <ctype.h>
#include <float.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

void *pt_alloc(pt_export *e, size_t n, size_t size)
{
    static _Alignas(16) char nothing[16];
    size_t bytes;
    void *p =
        __builtin_mul_overflow(n, size, &bytes) ? NULL : pn_arena_alloc(&e->arena, bytes);
    if (!p) e->is_failed = true;
    return p ? p : bytes <= sizeof(nothing) ? nothing : NULL;
}

const char *pt_format(pt_export *e, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    char *text = n < 0 ? NULL : pn_arena_alloc(&e->arena, (size_t)n + 1);
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    else
        e->is_failed = true;
    va_end(again);
    va_end(args);
    return text ? text : "";
}

const char *pt_float(pt_export *e, float x)
{
    char text[40];
    if (isnan(x)) return "float(\"nan\")";
    if (isinf(x)) return x > 0 ? "float(\"inf\")" : "float(\"-inf\")";
    /* PyTorch takes the literal as a double, and refuses one beyond the largest float */
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof(text), "%.*g", digits, (double)x);
        if (strtof(text, NULL) == x && fabs(strtod(text, NULL)) <= (double)FLT_MAX) break;
    }
    return pt_format(e, "%s%s", text, strpbrk(text, ".e") ? "" : ".0");
}

const char *pt_numbers(pt_export *e, const int64_t *v, int n, bool is_tuple)
{
    bool is_same = n > 0 && !is_tuple;
    const char *text = "";
    for (int i = 0; i < n; i++) {
        is_same = is_same && v[i] == v[0];
        text = pt_format(e, "%s%s%lld", text, i ? ", " : "", (long long)v[i]);
    }
    if (is_same) return pt_format(e, "%lld", (long long)v[0]);
    return pt_format(e, n == 1 ? "(%s,)" : "(%s)", text);
}

static int compare_word(const void *key, const void *entry)
{
    return strcmp(key, *(const char *const *)entry);
}

/* Python's keywords, what nn.Module has, and what the source's own lines use; sorted */
/* clang-format off */
static const char *const reserved[] = {
    "F", "False", "None", "OrderedDict", "Path", "T_destination", "True", "add_module",
    "and", "apply", "as", "assert", "async", "await", "bfloat16", "break", "buffers",
    "call_super_init", "children", "class", "compile", "continue", "cpu", "cuda", "def",
    "del", "double", "dump_patches", "elif", "else", "eval", "except", "extra_repr",
    "finally", "float", "for", "forward", "forward_features", "from", "get_buffer",
    "get_extra_state", "get_parameter", "get_submodule", "global", "half", "if", "import",
    "in", "ipu", "is", "lambda", "load", "load_state_dict", "match", "modules", "mtia",
    "named_buffers", "named_children", "named_modules", "named_parameters", "nn",
    "nonlocal", "not", "num_classes", "or", "parameters", "pass", "print", "raise",
    "range", "register_backward_hook", "register_buffer", "register_forward_hook",
    "register_forward_pre_hook", "register_full_backward_hook",
    "register_full_backward_pre_hook", "register_load_state_dict_post_hook",
    "register_load_state_dict_pre_hook", "register_module", "register_parameter",
    "register_state_dict_post_hook", "register_state_dict_pre_hook", "requires_grad_",
    "return", "self", "set_extra_state", "set_submodule", "share_memory", "state_dict",
    "super", "to", "to_empty", "torch", "train", "training", "try", "type", "while",
    "with", "x", "xpu", "y", "yield", "zero_grad"
};
/* clang-format on */

static bool is_reserved(const char *name)
{
    return bsearch(name, reserved, sizeof(reserved) / sizeof(reserved[0]),
                   sizeof(reserved[0]), compare_word) != NULL;
}

enum { MAX_IDENTIFIER = 64 };

const char *pt_identifier(pt_export *e, const char *name, size_t length,
                          const char *otherwise)
{
    char text[MAX_IDENTIFIER + 1];
    size_t n = 0;
    for (size_t i = 0; i < length && n < MAX_IDENTIFIER; i++) {
        unsigned char c = (unsigned char)name[i];
        bool is_word = c < 0x80 && isalnum(c);
        if (is_word)
            text[n++] = (char)c;
        else if (n && text[n - 1] != '_')
            text[n++] = '_';
    }
    while (n && text[n - 1] == '_')
        n--;
    text[n] = '\0';
    if (!n) return otherwise;
    if (isdigit((unsigned char)text[0])) return pt_format(e, "%s%s", otherwise, text);
    return pt_format(e, is_reserved(text) ? "%s_" : "%s", text);
}

const char *pt_camel_case(pt_export *e, const char *name, const char *otherwise)
{
    char text[MAX_IDENTIFIER + 1];
    size_t n = 0;
    bool is_first = true; /* of a word */
    for (; *name && n < MAX_IDENTIFIER; name++) {
        unsigned char c = (unsigned char)*name;
        bool is_word = c < 0x80 && isalnum(c);
        if (is_word) text[n++] = is_first ? (char)toupper(c) : (char)c;
        is_first = !is_word;
    }
    text[n] = '\0';
    if (!n || isdigit((unsigned char)text[0]))
        return pt_format(e, "%s%s", otherwise, text);
    return pt_format(e, is_reserved(text) ? "%s_" : "%s", text);
}

const char *pt_comment(pt_export *e, const char *text)
{
    size_t left = strlen(text), n = 0;
    char *out = pt_alloc(e, left * 2 + 1, 1);
    const unsigned char *p = (const unsigned char *)text;
    if (e->is_failed) return "";
    while (left) {
        size_t size = pn_utf8_printable(p, left);
        if (!size) {
            size = 1;
            out[n++] = '?';
        } else if (*p == '\\') {
            out[n++] = '\\';
            out[n++] = '\\';
        } else if (*p == '"') {
            out[n++] = '\'';
        } else {
            memcpy(out + n, p, size);
            n += size;
        }
        p += size;
        left -= size;
    }
    out[n] = '\0';
    return out;
}

static size_t slot_of(const pt_names *names, const char *name)
{
    size_t h = 5381;
    for (const char *p = name; *p; p++)
        h = h * 33 ^ (unsigned char)*p;
    h &= names->capacity - 1;
    while (names->slots[h] && strcmp(names->slots[h], name) != 0)
        h = (h + 1) & (names->capacity - 1);
    return h;
}

bool pt_is_taken(const pt_names *names, const char *name)
{
    return names->capacity && names->slots[slot_of(names, name)];
}

static bool grow_names(pt_export *e, pt_names *names)
{
    pt_names more = {.n = names->n,
                     .capacity = names->capacity ? names->capacity * 4 : 64};
    more.slots = pt_alloc(e, more.capacity, sizeof(*more.slots));
    if (e->is_failed) return false;
    for (size_t i = 0; i < names->capacity; i++)
        if (names->slots[i])
            more.slots[slot_of(&more, names->slots[i])] = names->slots[i];
    *names = more;
    return true;
}

const char *pt_unique(pt_export *e, pt_names *names, const char *name)
{
    const char *text = name;
    if (names->n * 2 >= names->capacity && !grow_names(e, names)) return name;
    /* numbers from the count on after a while: many of one name must not take for ever */
    for (size_t i = 2; pt_is_taken(names, text) && !e->is_failed; i++)
        text = pt_format(e, "%s_%zu", name, i < 64 ? i : names->n + i);
    names->slots[slot_of(names, text)] = text;
    names->n++;
    return text;
}
