/** @file net_builder.h  Graphs by hand, in few words; fails the running test if it
 * cannot. */
#ifndef PN_TESTS_NET_BUILDER_H
#define PN_TESTS_NET_BUILDER_H

#include "penult/graph.h"
#include "penult/model.h"

typedef struct net {
    pn_graph *g;
    uint64_t seed; /**< of the weights */
    int n_names;
} net;

/** A graph with input "x" of N x C x H x W. */
net net_new(int64_t c, int64_t h, int64_t w);
/** Infer shapes; `out` becomes the graph's output. */
void net_finish(net *n, int out);
void net_free(net *n);

/** Random floats around 0, of that many dimensions. */
int net_const(net *n, int ndim, const int64_t *dim);
/** One float. */
int net_scalar(net *n, float v);
/** A node of one output; the value is named NAME, or numbered if name is NULL. */
int net_node(net *n, pn_op op, const char *name, int n_in, const int *in);
int net_unary(net *n, pn_op op, const char *name, int x);
int net_binary(net *n, pn_op op, const char *name, int a, int b);
/** k x k, with bias, padded to keep the size at stride 1. */
int net_conv(net *n, const char *name, int x, int64_t cin, int64_t cout, int64_t k,
             int64_t stride, int64_t group);
int net_norm(net *n, const char *name, int x, int64_t channels);
int net_pool(net *n, pn_op op, const char *name, int x, int64_t k, int64_t stride);
int net_concat(net *n, const char *name, int a, int b);
/** Flatten, then `out` outputs. */
int net_fc(net *n, const char *name, int x, int64_t in, int64_t out);

/** Compile or fail the test. taps: NULL-terminated, or NULL. */
pn_model *net_compile(const net *n, pn_cpu cpu, const char *const *taps);
/** Deterministic floats in -1..1. */
void net_random(float *x, size_t n, uint64_t seed);

#endif
