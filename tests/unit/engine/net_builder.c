#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>

#include <cmocka.h>

#include "net_builder.h"

static void must(pn_status st, const pn_err *err)
{
    if (st) fail_msg("%s", pn_err_text(err));
}

void net_random(float *x, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++) {
        seed = seed * 6364136223846793005U + 1442695040888963407U;
        x[i] = (float)((double)(seed >> 40) / (1 << 23) - 1);
    }
}

net net_new(int64_t c, int64_t h, int64_t w)
{
    net n = {.seed = 1};
    pn_err err = {0};
    int x;
    const pn_shape s = {4, {PN_DIM_FREE, c, h, w}};
    must(pn_graph_new(&n.g, "net"), &err);
    must(pn_graph_add_value(n.g, "x", PN_F32, &s, &x, &err), &err);
    must(pn_graph_add_input(n.g, x), &err);
    return n;
}

void net_finish(net *n, int out)
{
    pn_err err = {0};
    must(pn_graph_add_output(n->g, out), &err);
    must(pn_graph_infer_shapes(n->g, &err), &err);
}

void net_free(net *n)
{
    pn_graph_free(&n->g);
}

static const char *name_of(net *n, const char *name, char *buf, size_t size)
{
    if (name) return name;
    snprintf(buf, size, "value%d", n->n_names++);
    return buf;
}

int net_const(net *n, int ndim, const int64_t *dim)
{
    pn_err err = {0};
    pn_shape s = {.ndim = ndim};
    for (int i = 0; i < ndim; i++)
        s.dim[i] = dim[i];
    const size_t count = (size_t)pn_shape_count(&s);
    float *data = malloc(count * sizeof(*data));
    assert_non_null(data);
    net_random(data, count, n->seed++);
    char buf[32];
    int id;
    must(pn_graph_add_const(n->g, name_of(n, NULL, buf, sizeof(buf)), PN_F32, &s, data,
                            count * sizeof(*data), false, &id, &err),
         &err);
    free(data);
    return id;
}

int net_scalar(net *n, float v)
{
    pn_err err = {0};
    const pn_shape s = {0, {0}};
    char buf[32];
    int id;
    must(pn_graph_add_const(n->g, name_of(n, NULL, buf, sizeof(buf)), PN_F32, &s, &v,
                            sizeof(v), false, &id, &err),
         &err);
    return id;
}

int net_node(net *n, pn_op op, const char *name, int n_in, const int *in)
{
    pn_err err = {0};
    char buf[32];
    const char *given = name_of(n, name, buf, sizeof(buf));
    int id, node;
    must(pn_graph_add_value(n->g, given, PN_F32, NULL, &id, &err), &err);
    must(pn_graph_add_node(n->g, op, given, in, n_in, &id, 1, &node, &err), &err);
    return id;
}

int net_unary(net *n, pn_op op, const char *name, int x)
{
    return net_node(n, op, name, 1, &x);
}

int net_binary(net *n, pn_op op, const char *name, int a, int b)
{
    const int in[] = {a, b};
    return net_node(n, op, name, 2, in);
}

static void set_window(net *n, int64_t k, int64_t stride, int64_t pad)
{
    const int node = n->g->n_nodes - 1;
    const int64_t kernel[] = {k, k}, strides[] = {stride, stride};
    const int64_t pads[] = {pad, pad, pad, pad};
    must(pn_graph_set_ints(n->g, node, "kernel_shape", kernel, 2), NULL);
    must(pn_graph_set_ints(n->g, node, "strides", strides, 2), NULL);
    must(pn_graph_set_ints(n->g, node, "pads", pads, 4), NULL);
}

int net_conv(net *n, const char *name, int x, int64_t cin, int64_t cout, int64_t k,
             int64_t stride, int64_t group)
{
    const int64_t w[] = {cout, cin / group, k, k};
    const int in[] = {x, net_const(n, 4, w), net_const(n, 1, w)};
    const int id = net_node(n, PN_OP_CONV, name, 3, in);
    set_window(n, k, stride, (k - 1) / 2);
    must(pn_graph_set_int(n->g, n->g->n_nodes - 1, "group", group), NULL);
    return id;
}

int net_norm(net *n, const char *name, int x, int64_t channels)
{
    int in[5] = {x};
    for (int i = 1; i < 5; i++)
        in[i] = net_const(n, 1, &channels);
    const int id = net_node(n, PN_OP_BATCH_NORM, name, 5, in);
    must(pn_graph_set_float(n->g, n->g->n_nodes - 1, "epsilon", 2), NULL);
    return id;
}

int net_pool(net *n, pn_op op, const char *name, int x, int64_t k, int64_t stride)
{
    const int id = net_node(n, op, name, 1, &x);
    set_window(n, k, stride, 0);
    return id;
}

int net_concat(net *n, const char *name, int a, int b)
{
    const int id = net_binary(n, PN_OP_CONCAT, name, a, b);
    must(pn_graph_set_int(n->g, n->g->n_nodes - 1, "axis", 1), NULL);
    return id;
}

int net_fc(net *n, const char *name, int x, int64_t in, int64_t out)
{
    const int64_t w[] = {out, in};
    const int args[] = {net_unary(n, PN_OP_FLATTEN, NULL, x), net_const(n, 2, w),
                        net_const(n, 1, w)};
    const int id = net_node(n, PN_OP_GEMM, name, 3, args);
    must(pn_graph_set_int(n->g, n->g->n_nodes - 1, "transB", 1), NULL);
    return id;
}

pn_model *net_compile(const net *n, pn_cpu cpu, const char *const *taps)
{
    pn_err err = {0};
    pn_model_opts opts = {.cpu = cpu, .taps = taps};
    while (taps && taps[opts.n_taps])
        opts.n_taps++;
    pn_model *m = NULL;
    must(pn_model_compile(&m, n->g, &opts, &err), &err);
    return m;
}
