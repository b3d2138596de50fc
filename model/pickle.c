/* The pickle machine: a stack, a memo, one step an instruction. Instructions:
 * pickletools.py of CPython. */
#include "model/pickle_vm.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/utf8.h"

pn_status pn_pickle_fail(pn_pickle *p, pn_status st, const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    return pn_fail(p->err, st, "byte %zu of the pickle: %s", p->op_place, text);
}

/* ---- items ---- */

pn_pickle_item *pn_pickle_new(pn_pickle *p, pn_pickle_kind kind)
{
    pn_pickle_item *item = pn_arena_alloc(&p->arena, sizeof(*item));
    if (item) item->kind = kind;
    return item;
}

/* room for one more pointer in an array that is reallocated */
static pn_status grow(pn_pickle_item ***array, size_t *capacity, size_t n)
{
    if (n < *capacity) return PN_OK;
    size_t more = *capacity ? 2 * *capacity : 64;
    pn_pickle_item **bigger = reallocarray(*array, more, sizeof(*bigger));
    if (!bigger) return PN_ENOMEM;
    *array = bigger;
    *capacity = more;
    return PN_OK;
}

pn_status pn_pickle_append(pn_pickle *p, pn_pickle_item *to, pn_pickle_item *item)
{
    if (to->n == to->capacity) { /* what is left behind is at most as much again */
        size_t more = to->capacity ? 2 * to->capacity : 4;
        pn_pickle_item **bigger = pn_arena_alloc(&p->arena, more * sizeof(*bigger));
        if (!bigger) return PN_ENOMEM;
        if (to->n) memcpy(bigger, to->items, to->n * sizeof(*bigger));
        to->items = bigger;
        to->capacity = more;
    }
    to->items[to->n++] = item;
    return PN_OK;
}

static pn_status push(pn_pickle *p, pn_pickle_item *item)
{
    if (!item || grow(&p->stack, &p->stack_capacity, p->n_stack)) return PN_ENOMEM;
    p->stack[p->n_stack++] = item;
    return PN_OK;
}

static pn_status push_new(pn_pickle *p, pn_pickle_kind kind)
{
    return push(p, pn_pickle_new(p, kind));
}

static pn_status push_int(pn_pickle *p, pn_pickle_kind kind, int64_t v)
{
    pn_pickle_item *item = pn_pickle_new(p, kind);
    if (item) item->i = v;
    return push(p, item);
}

static pn_status push_text(pn_pickle *p, pn_bytes text)
{
    pn_pickle_item *item = pn_pickle_new(p, PN_PICKLE_TEXT);
    if (item) item->text = text;
    return push(p, item);
}

/* an item that is no mark; NULL with the message said */
static pn_pickle_item *pop(pn_pickle *p)
{
    if (p->n_stack && p->stack[p->n_stack - 1]->kind != PN_PICKLE_MARK)
        return p->stack[--p->n_stack];
    pn_pickle_fail(p, PN_EFORMAT, "takes an item that is not there");
    return NULL;
}

/* the items above the last mark: `n` of them at `first`; the mark goes */
static pn_status pop_mark(pn_pickle *p, pn_pickle_item ***first, size_t *n)
{
    size_t at = p->n_stack;
    *first = p->stack;
    *n = 0;
    while (at && p->stack[at - 1]->kind != PN_PICKLE_MARK)
        at--;
    if (!at) return pn_pickle_fail(p, PN_EFORMAT, "there is no mark");
    *first = &p->stack[at];
    *n = p->n_stack - at;
    p->n_stack = at - 1;
    return PN_OK;
}

/* ---- bytes ---- */

/* a little-endian number of n bytes, at most 8; sign: of two's complement */
static pn_status take_number(pn_pickle *p, size_t n, bool is_signed, int64_t *out)
{
    uint64_t v = 0;
    *out = 0;
    if ((size_t)(p->end - p->at) < n)
        return pn_pickle_fail(p, PN_EFORMAT, "the file ends within an instruction");
    for (size_t i = 0; i < n; i++)
        v |= (uint64_t)p->at[i] << 8 * i;
    if (is_signed && n && n < 8 && p->at[n - 1] & 0x80) v |= UINT64_MAX << 8 * n;
    p->at += n;
    *out = (int64_t)v;
    return PN_OK;
}

/* a length of n bytes, then as many bytes */
static pn_status take_counted(pn_pickle *p, size_t n, pn_bytes *out)
{
    int64_t size;
    pn_status st = take_number(p, n, false, &size);
    *out = (pn_bytes){p->at, 0};
    if (st) return st;
    if (size < 0 || (uint64_t)size > (uint64_t)(p->end - p->at))
        return pn_pickle_fail(p, PN_EFORMAT, "%llu bytes are said, %td are left",
                              (unsigned long long)size, p->end - p->at);
    *out = (pn_bytes){p->at, (size_t)size};
    p->at += size;
    return PN_OK;
}

static pn_status take_line(pn_pickle *p, pn_bytes *out)
{
    const unsigned char *end = memchr(p->at, '\n', (size_t)(p->end - p->at));
    if (!end) return pn_pickle_fail(p, PN_EFORMAT, "a name without an end");
    *out = (pn_bytes){p->at, (size_t)(end - p->at)};
    p->at = end + 1;
    return PN_OK;
}

/* ---- instructions ---- */

static pn_status do_text(pn_pickle *p, size_t length_bytes, bool is_unicode)
{
    pn_bytes text;
    pn_status st = take_counted(p, length_bytes, &text);
    if (st) return st;
    if (is_unicode && !pn_utf8_valid(text.at, text.size))
        return pn_pickle_fail(p, PN_EFORMAT, "text that is no UTF-8");
    return push_text(p, text);
}

static pn_status do_int(pn_pickle *p, size_t n, bool is_signed)
{
    int64_t v;
    pn_status st = take_number(p, n, is_signed, &v);
    return st ? st : push_int(p, PN_PICKLE_INT, v);
}

static pn_status do_long(pn_pickle *p)
{
    pn_bytes digits;
    pn_status st = take_counted(p, 1, &digits);
    if (st) return st;
    if (digits.size > 8)
        return pn_pickle_fail(p, PN_EUNSUPPORTED, "a number of %zu bytes", digits.size);
    p->at -= digits.size;
    return do_int(p, digits.size, true);
}

/* big-endian, alone in the format */
static pn_status do_float(pn_pickle *p)
{
    uint64_t bits = 0;
    pn_pickle_item *item = pn_pickle_new(p, PN_PICKLE_FLOAT);
    if (!item) return PN_ENOMEM;
    if (p->end - p->at < 8)
        return pn_pickle_fail(p, PN_EFORMAT, "the file ends within an instruction");
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | *p->at++;
    memcpy(&item->f, &bits, sizeof(bits));
    return push(p, item);
}

static pn_status do_tuple(pn_pickle *p, pn_pickle_kind kind, pn_pickle_item **first,
                          size_t n)
{
    pn_pickle_item *to = pn_pickle_new(p, kind);
    pn_status st = to ? PN_OK : PN_ENOMEM;
    for (size_t i = 0; i < n && !st; i++)
        st = pn_pickle_append(p, to, first[i]);
    return st ? st : push(p, to);
}

static pn_status do_marked(pn_pickle *p, pn_pickle_kind kind)
{
    pn_pickle_item **first;
    size_t n;
    pn_status st = pop_mark(p, &first, &n);
    if (!st && kind == PN_PICKLE_DICT && n % 2)
        st = pn_pickle_fail(p, PN_EFORMAT, "a key without a value");
    return st ? st : do_tuple(p, kind, first, n);
}

/* TUPLE1 to TUPLE3 */
static pn_status do_short_tuple(pn_pickle *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (p->n_stack < n || p->stack[p->n_stack - 1 - i]->kind == PN_PICKLE_MARK)
            return pn_pickle_fail(p, PN_EFORMAT, "takes an item that is not there");
    p->n_stack -= n;
    return do_tuple(p, PN_PICKLE_TUPLE, &p->stack[p->n_stack], n);
}

/* APPEND(S) and SETITEM(S): into the container below */
static pn_status do_extend(pn_pickle *p, pn_pickle_kind kind, pn_pickle_item **first,
                           size_t n)
{
    pn_pickle_item *to = p->n_stack ? p->stack[p->n_stack - 1] : NULL;
    pn_status st = PN_OK;
    if (!to || to->kind != kind || (kind == PN_PICKLE_DICT && n % 2))
        return pn_pickle_fail(p, PN_EFORMAT, "adds to what is no %s",
                              kind == PN_PICKLE_DICT ? "dict" : "list");
    for (size_t i = 0; i < n && !st; i++)
        st = pn_pickle_append(p, to, first[i]);
    return st;
}

static pn_status do_extend_some(pn_pickle *p, pn_pickle_kind kind, size_t n)
{
    if (p->n_stack < n) return pn_pickle_fail(p, PN_EFORMAT, "the stack is empty");
    for (size_t i = 0; i < n; i++)
        if (p->stack[p->n_stack - 1 - i]->kind == PN_PICKLE_MARK)
            return pn_pickle_fail(p, PN_EFORMAT, "takes an item that is not there");
    p->n_stack -= n;
    return do_extend(p, kind, &p->stack[p->n_stack], n);
}

static pn_status do_extend_marked(pn_pickle *p, pn_pickle_kind kind)
{
    pn_pickle_item **first;
    size_t n;
    pn_status st = pop_mark(p, &first, &n);
    return st ? st : do_extend(p, kind, first, n);
}

static pn_status put_memo(pn_pickle *p, size_t at)
{
    if (!p->n_stack || p->stack[p->n_stack - 1]->kind == PN_PICKLE_MARK)
        return pn_pickle_fail(p, PN_EFORMAT, "keeps an item that is not there");
    if (at >= PN_PICKLE_MAX_MEMO)
        return pn_pickle_fail(p, PN_EUNSUPPORTED, "memo %zu, at most %d", at,
                              PN_PICKLE_MAX_MEMO);
    while (p->n_memo <= at) {
        if (grow(&p->memo, &p->memo_capacity, p->n_memo)) return PN_ENOMEM;
        p->memo[p->n_memo++] = NULL;
    }
    p->memo[at] = p->stack[p->n_stack - 1];
    return PN_OK;
}

static pn_status do_put(pn_pickle *p, size_t n)
{
    int64_t at;
    pn_status st = take_number(p, n, false, &at);
    return st ? st : put_memo(p, (size_t)at);
}

static pn_status do_get(pn_pickle *p, size_t n)
{
    int64_t at;
    pn_status st = take_number(p, n, false, &at);
    if (st) return st;
    if ((uint64_t)at >= p->n_memo || !p->memo[at])
        return pn_pickle_fail(p, PN_EFORMAT, "memo %lld is empty", (long long)at);
    return push(p, p->memo[at]);
}

static pn_status push_global(pn_pickle *p, pn_bytes module, pn_bytes name)
{
    int64_t which;
    if (pn_pickle_find_global(module, name, &which))
        return push_int(p, PN_PICKLE_GLOBAL, which);
    return pn_pickle_fail(p, PN_EUNSUPPORTED,
                          "it names %.*s.%.*s: only numpy's own constructors are known, "
                          "and nothing is executed",
                          (int)(module.size < 80 ? module.size : 80), module.at,
                          (int)(name.size < 80 ? name.size : 80), name.at);
}

static pn_status do_global(pn_pickle *p)
{
    pn_bytes module, name;
    pn_status st = take_line(p, &module);
    if (!st) st = take_line(p, &name);
    return st ? st : push_global(p, module, name);
}

static pn_status do_stack_global(pn_pickle *p)
{
    pn_pickle_item *name = pop(p), *module = name ? pop(p) : NULL;
    if (!module) return PN_EFORMAT;
    if (name->kind != PN_PICKLE_TEXT || module->kind != PN_PICKLE_TEXT)
        return pn_pickle_fail(p, PN_EFORMAT, "a function's name is no text");
    return push_global(p, module->text, name->text);
}

static pn_status do_reduce(pn_pickle *p)
{
    pn_pickle_item *args = pop(p), *f = args ? pop(p) : NULL, *made = NULL;
    if (!f) return PN_EFORMAT;
    if (f->kind != PN_PICKLE_GLOBAL || args->kind != PN_PICKLE_TUPLE)
        return pn_pickle_fail(p, PN_EFORMAT, "calls what is no function");
    pn_status st = pn_pickle_call(p, f, args, &made);
    return st ? st : push(p, made);
}

static pn_status do_build(pn_pickle *p)
{
    pn_pickle_item *state = pop(p);
    if (!state) return PN_EFORMAT;
    if (!p->n_stack) return pn_pickle_fail(p, PN_EFORMAT, "the stack is empty");
    return pn_pickle_build(p, p->stack[p->n_stack - 1], state);
}

static pn_status do_protocol(pn_pickle *p)
{
    int64_t version;
    pn_status st = take_number(p, 1, false, &version);
    if (!st && version > 5)
        st = pn_pickle_fail(p, PN_EUNSUPPORTED, "protocol %d, at most 5", (int)version);
    return st;
}

static pn_status do_frame(pn_pickle *p)
{
    int64_t size;
    return take_number(p, 8, false, &size); /* only says how much to read ahead */
}

static pn_status run_container(pn_pickle *p, unsigned char op)
{
    switch (op) {
    case '(':
        return push_new(p, PN_PICKLE_MARK);
    case '0':
        return pop(p) ? PN_OK : PN_EFORMAT;
    case ')':
        return push_new(p, PN_PICKLE_TUPLE);
    case ']':
        return push_new(p, PN_PICKLE_LIST);
    case '}':
        return push_new(p, PN_PICKLE_DICT);
    case 't':
        return do_marked(p, PN_PICKLE_TUPLE);
    case 'l':
        return do_marked(p, PN_PICKLE_LIST);
    case 'd':
        return do_marked(p, PN_PICKLE_DICT);
    case 0x85:
    case 0x86:
    case 0x87:
        return do_short_tuple(p, op - 0x84U);
    case 'a':
        return do_extend_some(p, PN_PICKLE_LIST, 1);
    case 's':
        return do_extend_some(p, PN_PICKLE_DICT, 2);
    case 'e':
        return do_extend_marked(p, PN_PICKLE_LIST);
    case 'u':
        return do_extend_marked(p, PN_PICKLE_DICT);
    default:
        return pn_pickle_fail(p, PN_EUNSUPPORTED, "instruction 0x%02x is not known", op);
    }
}

static pn_status run_memo_or_call(pn_pickle *p, unsigned char op)
{
    switch (op) {
    case 'q':
        return do_put(p, 1);
    case 'r':
        return do_put(p, 4);
    case 0x94:
        return put_memo(p, p->n_memo);
    case 'h':
        return do_get(p, 1);
    case 'j':
        return do_get(p, 4);
    case 'c':
        return do_global(p);
    case 0x93:
        return do_stack_global(p);
    case 'R':
        return do_reduce(p);
    case 'b':
        return do_build(p);
    case 0x80:
        return do_protocol(p);
    case 0x95:
        return do_frame(p);
    default:
        return run_container(p, op);
    }
}

static pn_status run_step(pn_pickle *p, unsigned char op)
{
    switch (op) {
    case 'N':
        return push_new(p, PN_PICKLE_NONE);
    case 0x88:
    case 0x89:
        return push_int(p, PN_PICKLE_BOOL, op == 0x88);
    case 'J':
        return do_int(p, 4, true);
    case 'K':
        return do_int(p, 1, false);
    case 'M':
        return do_int(p, 2, false);
    case 0x8a:
        return do_long(p);
    case 'G':
        return do_float(p);
    case 'X':
        return do_text(p, 4, true);
    case 0x8c:
        return do_text(p, 1, true);
    case 0x8d:
        return do_text(p, 8, true);
    case 'B':
    case 'T':
        return do_text(p, 4, false);
    case 'C':
    case 'U':
        return do_text(p, 1, false);
    case 0x8e:
    case 0x96:
        return do_text(p, 8, false);
    default:
        return run_memo_or_call(p, op);
    }
}

static pn_status run(pn_pickle *p)
{
    for (size_t n = 0; n < PN_PICKLE_MAX_OPS; n++) {
        p->op_place = (size_t)(p->at - p->begin);
        if (p->at == p->end)
            return pn_pickle_fail(p, PN_EFORMAT, "the file ends before the program");
        unsigned char op = *p->at++;
        if (op == '.') {
            p->root = pop(p);
            return p->root ? PN_OK : PN_EFORMAT;
        }
        pn_status st = run_step(p, op);
        if (st) return st;
    }
    return pn_pickle_fail(p, PN_EUNSUPPORTED, "more than %d instructions",
                          PN_PICKLE_MAX_OPS);
}

pn_status pn_pickle_read(pn_pickle **out, const void *bytes, size_t size,
                         const char *where, pn_err *err)
{
    pn_pickle *p = calloc(1, sizeof(*p));
    pn_status st = p ? PN_OK : PN_ENOMEM;
    if (p) {
        p->begin = p->at = bytes;
        p->end = p->begin + size;
        p->err = err;
        st = run(p);
    }
    if (st == PN_ENOMEM) pn_fail(err, st, "out of memory");
    if (st) {
        pn_err_prefix(err, "%s", where);
        pn_pickle_free(&p);
        return st;
    }
    *out = p;
    return PN_OK;
}

const pn_pickle_item *pn_pickle_root(const pn_pickle *p)
{
    return p->root;
}

void pn_pickle_free(pn_pickle **pickle)
{
    pn_pickle *p = *pickle;
    if (!p) return;
    free(p->stack);
    free(p->memo);
    pn_arena_fini(&p->arena);
    free(p);
    *pickle = NULL;
}
