/**
 * @file export_pytorch.h  From graph nodes to Python: what the rooms of the exporter
 * share.
 *
 * Each node becomes a step: an expression over other steps' results, and the members of
 * the module that it uses. Stretches of steps that are alike are folded into classes,
 * innermost first: a folded stretch is again one step, whose member is an instance of the
 * class. In the end there is one list of steps, the network's own class.
 *
 * Everything lives in the arena. Memory that is not there is noted once (`is_failed`),
 * the text is then wrong and thrown away. What comes from the model reaches the Python
 * source only as an identifier (pt_identifier), a number, or filtered text in the
 * docstring.
 */
#ifndef PN_MODEL_EXPORT_PYTORCH_H
#define PN_MODEL_EXPORT_PYTORCH_H

#include <stdio.h>

#include "base/arena.h"
#include "model/export_state.h"

/** In the first line of a NAME.py, and in nobody else's. */
#define PN_PYTORCH_MARK ", converted by penult "

/** An argument of a module's constructor. */
typedef struct pt_arg {
    const char *key;   /**< keyword, and what a class calls the parameter it becomes */
    const char *text;  /**< Python */
    const char *usual; /**< what the constructor takes when it is left out; NULL: there is
                            none, the argument is written by position */
} pt_arg;

enum { PT_MAX_ARGS = 12, PT_MAX_TENSORS = 5, PT_MAX_MEMBERS = 4 }; /* of one node */

/** What __init__ puts into self. */
typedef struct pt_member {
    const char *name; /**< wanted, until its class gives it one */
    const char *make; /**< "nn.Conv2d", a class; NULL: a buffer, its shape is args[0] */
    const char *only_if; /**< parameter without which it is None; NULL: always there */
    int n_args, n_tensors;
    pt_arg *args;
    pt_tensor *tensors;
    struct pt_member **items; /**< of nn.Sequential */
    int n_items;
} pt_member;

typedef struct pt_step {
    const char *name; /**< what the source calls it; may be "" */
    const char *text; /**< Python: $N is input N, @N member N */
    bool is_infix;    /**< wants brackets inside another operator */
    bool is_alone;    /**< not to be folded: the classifier, what makes the features */
    bool is_sequential;
    int op; /**< pn_op of its node; PN_N_OPS: folded */
    int n_inputs, n_outputs, n_members;
    int *inputs; /**< values */
    int *outputs;
    pt_member *members[PT_MAX_MEMBERS];
} pt_step;

/** A parameter of a class. */
typedef struct pt_param {
    const char *name, *usual; /**< usual NULL: by position */
    const char *key;          /**< of the argument it was made for */
} pt_param;

typedef struct pt_class {
    const char *name;
    pt_step *steps; /**< of its first instance; parameters' names in the arguments */
    int n_steps, n_params;
    pt_param *params;
    int input, output; /**< values of the first instance */
    struct pt_class *next;
} pt_class;

/** Names given out in one scope. Zero-initialise it. */
typedef struct pt_names {
    const char **slots;
    size_t n, capacity;
} pt_names;

typedef struct pt_export {
    const pn_graph *g;
    pn_arena arena;
    bool is_failed;
    pt_step *steps; /**< room for one a node */
    int n_steps;
    int *same_as;      /**< by value: what it is another name of, or itself */
    pt_class *classes; /**< in the order they must be written */
    FILE *refusals;
    char *refused;
    size_t refused_size;
    int n_refused;
    int features;           /**< value; PN_NONE: none */
    int n_results;          /**< of g->outputs, those that forward() returns */
    const char *classifier; /**< "self.NAME" without "self."; NULL: none was found */
    int64_t n_classes;
    pt_member *head; /**< the classifier's member */
    pt_names class_names;
    const char *class_name;  /**< of the network */
    const char *stem;        /**< file name without .py */
    const char *module_name; /**< the same for a docstring */
} pt_export;

/* export_pytorch_text.c: words and numbers. */
void *pt_alloc(pt_export *e, size_t n, size_t size);
/** Text in the arena; "" without memory. */
const char *pt_format(pt_export *e, const char *fmt, ...) PN_PRINTF(2, 3);
/** The shortest literal that is this float. */
const char *pt_float(pt_export *e, float x);
/** "(1, 2)", or "1" if they are all the same; "(1,)" if one is wanted as a tuple. */
const char *pt_numbers(pt_export *e, const int64_t *v, int n, bool is_tuple);
/** Letters, digits and _, neither a keyword nor taken by nn.Module; `otherwise` if
 * nothing is left of it. */
const char *pt_identifier(pt_export *e, const char *name, size_t length,
                          const char *otherwise);
/** "r152-v2" to "R152V2". */
const char *pt_camel_case(pt_export *e, const char *name, const char *otherwise);
/** The model's text inside a docstring: printable, no way out of the quotes. */
const char *pt_comment(pt_export *e, const char *text);
/** What must precede the use of the module in the docstring. @return its name there */
const char *pt_put_import(pt_export *e, FILE *to);
/** `name`, or with _2, _3 ... if that is taken; taken from now on. */
const char *pt_unique(pt_export *e, pt_names *names, const char *name);
bool pt_is_taken(const pt_names *names, const char *name);

/* export_pytorch_ops*.c: one node. */
/** What the source calls node n: its own name, or where that tells less its weights'. */
const char *pt_source_name(pt_export *e, const pn_node *n);
/** Note that a node cannot be said in PyTorch. */
void pt_refuse(pt_export *e, const pn_node *n, const char *fmt, ...) PN_PRINTF(3, 4);
/** Nodes to steps; what has no words is refused. */
void pt_make_steps(pt_export *e);
/** s->text is what the table of operators says, to be replaced. */
typedef void pt_op_fn(pt_export *e, pt_step *s, const pn_node *n);
pt_op_fn pt_conv, pt_conv_transpose, pt_batch_norm, pt_instance_norm, pt_layer_norm,
    pt_gemm, pt_matmul, pt_prelu, pt_lrn, pt_pool, pt_global_pool, pt_dropout;
pt_op_fn pt_reshape, pt_transpose, pt_squeeze, pt_concat, pt_split, pt_slice, pt_pad,
    pt_resize, pt_reduce;
pt_op_fn pt_unary, pt_clip, pt_binary, pt_fold, pt_softmax, pt_cast;

/* What those functions are written in. */
const pn_value *pt_const(const pt_export *e, const pn_node *n, int input);
bool pt_has(const pt_export *e, const pn_node *n, int input);
const pn_shape *pt_shape_in(const pt_export *e, const pn_node *n, int input);
/** "$K" for a computed input. */
const char *pt_read(pt_export *e, pt_step *s, const pn_node *n, int input);
/** A computed input, a literal, or a buffer. */
const char *pt_operand(pt_export *e, pt_step *s, const pn_node *n, int input);
pt_member *pt_add_member(pt_export *e, pt_step *s, const char *make);
void pt_add_arg(pt_export *e, pt_member *m, const char *key, const char *text,
                const char *usual);
/** As weights of the member; a left-out or computed one is refused by the caller. */
pt_tensor *pt_add_tensor(pt_export *e, pt_member *m, const char *key, int value,
                         const pn_shape *shape);
/** Buffer of constant `value`; "@K". */
const char *pt_add_buffer(pt_export *e, pt_step *s, int value);
/** Up to max integers of a constant input; -1 if it is none. */
int pt_const_ints(const pt_export *e, const pn_node *n, int input, int64_t *out, int max);
bool pt_const_float(const pt_export *e, const pn_node *n, int input, float *out);
/** F.pad's numbers, last axis first, for pads as ONNX has them: n begins, n ends. */
const char *pt_pad_list(pt_export *e, const int64_t *begin, const int64_t *end, int n);

/* export_pytorch_match.c: which stretches of steps are alike. */
typedef struct pt_matcher {
    pt_export *e;
    int *kinds;    /**< by step: the same for steps that differ in numbers only */
    int *maker;    /**< by value: its step; PN_NONE: from outside */
    int *last_use; /**< by value: the last step that reads it; n_steps: the caller does */
    bool *is_taken; /**< by step: in a class already */
} pt_matcher;

/** A stretch like a pattern; may have `n_extra` steps more, a chain that makes what one
 * step of the pattern takes from elsewhere: the projection of a residual unit. */
typedef struct pt_place {
    int first, length;
    int n_extra, extra_at; /**< where they stand: offset in the stretch */
    int extra_from; /**< step of the pattern that makes what they read; -1: outside */
    int join, join_input; /**< step of the pattern, and which of its inputs they make */
} pt_place;

/** @return false without memory */
bool pt_matcher_init(pt_matcher *m, pt_export *e);
void pt_matcher_fini(pt_matcher *m);
/** The stretch reads one value from outside, and only its last step's one result is read
 * behind it. @param input  the value it reads */
bool pt_is_closed(const pt_matcher *m, int first, int length, int *input);
/** Whether the steps from `at` on are like those of the pattern. */
bool pt_match(const pt_matcher *m, int first, int length, int at, pt_place *out);
/** The same with n_extra steps more. */
bool pt_match_extra(const pt_matcher *m, int first, int length, int at, int n_extra,
                    pt_place *out);
/** Characters that the names of the stretch's members begin with alike, up to a
 * separator. */
size_t pt_common_prefix(const pt_step *steps, int n);

/* export_pytorch_fold.c: what repeats becomes a class. */
/** Convolution, BatchNorm and activation in a row. */
void pt_fold_layers(pt_export *e);
/** Units of several layers. */
void pt_fold_repeats(pt_export *e);
/** Members that __init__ of the network and its classes make. */
int pt_count_members(const pt_export *e);

/* export_pytorch_naming.c: what classes, their instances and members are called. */
/** The first of a stretch's steps that have members; "" if none has. */
const char *pt_first_name(const pt_step *steps, int n);
/** name without the first `prefix` characters if it begins like `of`. */
const char *pt_trimmed(const char *name, const char *of, size_t prefix);
void pt_trim_names(pt_step *s, const char *of, size_t prefix);
/** A convolution with what follows it, not a unit. */
bool pt_is_layer(const pt_step *from, int length);
const char *pt_layer_member(const pt_step *s);
void pt_renumber(pt_export *e, pt_class *c);
const char *pt_instance_name(pt_export *e, const pt_step *from, int length);
const char *pt_class_name(pt_export *e, const pt_step *from, int length);

/* export_pytorch_template.c */
/** The class of these stretches, the first of which is the pattern itself; each gets the
 * step it becomes. */
void pt_make_class(pt_export *e, const pt_matcher *m, const pt_place *places, int n,
                   pt_step *instances);
/* export_pytorch_chain.c: instances in a row become an nn.Sequential. */
void pt_fold_chains(pt_export *e);

/* export_pytorch_forward.c: the lines of a forward(). */
typedef struct pt_scope {
    const pt_step *steps;
    int n_steps;
    const int *inputs; /**< values the function is given */
    const char *const *input_names;
    int n_inputs;
    const int *outputs; /**< values it returns */
    int n_outputs;
} pt_scope;
/** Indented by two levels. */
void pt_put_forward(pt_export *e, FILE *to, const pt_scope *s);
/** A line, broken at its commas where it is too long. */
void pt_put_line(pt_export *e, FILE *to, int indent, const char *line);

/* export_pytorch_class.c: the file. */
void pt_name_members(pt_export *e, pt_step *steps, int n_steps);
void pt_put_class(pt_export *e, FILE *to, const pt_class *c);
void pt_put_module(pt_export *e, FILE *to);
/** NAME(args) of a member. */
const char *pt_make_text(pt_export *e, const pt_member *m);

/** All tensors with their whole keys. */
void pt_collect_state(pt_export *e, pt_state *out);

#endif
