#!/usr/bin/env python3
"""Make onnx_cases.bin: small ONNX files of many operators and opsets, and what onnx and
ONNX Runtime say of each. Needs onnx, onnxruntime and numpy; run by hand.

A case is four length-prefixed (u32) byte strings: name, model, expected, verdict.
expected: "OUTPUT SHAPE" lines, with N where the batch is: each model was run with a batch
of 17. verdict: "ok", "unsupported TEXT" or "format TEXT" (the message must hold TEXT).
"""
import os
import struct

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

F = TensorProto.FLOAT
BATCH = 17  # no other dimension may come out as this
cases = []


def case(name, nodes, consts=None, shape=("N", 3, 9, 12), opset=13, outputs=("y",),
         verdict="ok", batch=BATCH, edit=None, inputs=None, run=True, out_types=None):
    rng = np.random.RandomState(1)
    init = []
    for key, value in (consts or {}).items():
        if isinstance(value, tuple):
            value = rng.rand(*value).astype(np.float32)
        init.append(value if isinstance(value, TensorProto)
                    else numpy_helper.from_array(np.asarray(value), key))
    graph = helper.make_graph(
        nodes, name, inputs or [helper.make_tensor_value_info("x", F, shape)],
        [helper.make_tensor_value_info(o, (out_types or {}).get(o, F), None)
         for o in outputs], init)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)],
                              producer_name="cases")
    model.ir_version = 4 if opset < 11 else 7 if opset < 18 else 9
    for o in model.graph.output:  # a rank that is not known is no rank at all
        o.type.tensor_type.ClearField("shape")
    text = ""
    if verdict == "ok" and run:
        session = ort.InferenceSession(model.SerializeToString(),
                                       providers=["CPUExecutionProvider"])
        real = [batch if d == "N" else d for d in shape]
        feed = {"x": rng.rand(*real).astype(np.float32)}
        for name_out, value in zip(outputs, session.run(list(outputs), feed)):
            dims = ["N" if d == BATCH else str(d) for d in value.shape]
            text += "%s %s\n" % (name_out, "x".join(dims) or "scalar")
    if edit:
        edit(model)
    cases.append((name, model.SerializeToString(), text, verdict))


def n(op, inputs, outputs="y", **attrs):
    return helper.make_node(op, inputs.split(","), outputs.split(","), **attrs)


I = lambda *v: np.array(v, np.int64)
S = lambda v: np.array(v, np.float32)

# windows
case("conv", [n("Conv", "x,w,b", strides=[2, 1], pads=[1, 0, 2, 3])],
     {"w": (5, 3, 3, 2), "b": (5,)})
case("conv_dilated", [n("Conv", "x,w", dilations=[3, 2], pads=[2, 2, 2, 2])], {"w": (4, 3, 3, 3)})
case("conv_depthwise", [n("Conv", "x,w", group=3)], {"w": (6, 1, 3, 3)})
for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
    case("conv_" + mode, [n("Conv", "x,w", auto_pad=mode, strides=[2, 5])], {"w": (4, 3, 4, 3)})
    case("pool_" + mode, [n("MaxPool", "x", auto_pad=mode, kernel_shape=[3, 4], strides=[2, 5])])
case("conv_1d", [n("Conv", "x,w", strides=[3])], {"w": (4, 3, 5)}, shape=("N", 3, 20))
case("conv_3d", [n("Conv", "x,w")], {"w": (4, 2, 1, 2, 3)}, shape=("N", 2, 4, 5, 6))
case("deconv", [n("ConvTranspose", "x,w,b", strides=[2, 3], pads=[1, 0, 0, 2],
                  output_padding=[1, 0])], {"w": (3, 4, 3, 2), "b": (4,)})
case("deconv_group", [n("ConvTranspose", "x,w", group=3, dilations=[2, 2])], {"w": (3, 2, 3, 3)})
case("deconv_shape", [n("ConvTranspose", "x,w", strides=[2, 2], output_shape=[18, 24])],
     {"w": (3, 2, 3, 3)})
case("deconv_same", [n("ConvTranspose", "x,w", strides=[2, 2], auto_pad="SAME_UPPER")],
     {"w": (3, 2, 3, 3)})
case("pool_floor", [n("AveragePool", "x", kernel_shape=[2, 5], strides=[2, 3], pads=[1, 0, 0, 2])])
case("pool_ceil", [n("MaxPool", "x", kernel_shape=[2, 5], strides=[2, 3], ceil_mode=1)])
case("pool_dilated", [n("MaxPool", "x", kernel_shape=[2, 3], dilations=[3, 2])])
case("pool_opset19", [n("AveragePool", "x", kernel_shape=[2, 2], dilations=[1, 1])], opset=19)
case("global_pool", [n("GlobalAveragePool", "x", "a"), n("GlobalMaxPool", "x", "y")],
     outputs=("a", "y"))

# reshapes of a free batch
G = [n("GlobalAveragePool", "x", "p")]
for key, target in {"minus": (-1, 3), "zero": (0, -1), "zero_zero": (0, 0), "both": (0, 3, 1, 1),
                    "last": (0, 1, -1)}.items():
    case("reshape_" + key, G + [n("Reshape", "p,t")], {"t": I(*target)})
case("reshape_shuffle", [n("Reshape", "x,t", "a"), n("Transpose", "a", "b", perm=[0, 2, 1, 3, 4]),
                         n("Reshape", "b,u")],
     {"t": I(0, 3, 2, 9, 12), "u": I(-1, 6, 9, 12)}, shape=("N", 6, 9, 12))
case("flatten", [n("Flatten", "x", "a"), n("Flatten", "x", "y", axis=-3)], outputs=("a", "y"))
case("squeeze", G + [n("Squeeze", "p,a")], {"a": I(-1, 2)})
case("unsqueeze", [n("Unsqueeze", "x,a")], {"a": I(1, -1)})
case("transpose", [n("Transpose", "x", perm=[0, 2, 3, 1])])
case("transpose_default", [n("Transpose", "c", "d"), n("Add", "x,d")], {"c": (12, 9, 3)})
case("concat", [n("Concat", "x,x,x", "a", axis=1), n("Concat", "x,x", "y", axis=-1)],
     outputs=("a", "y"))
case("split_sizes", [n("Split", "x,s", "a,b", axis=3)], {"s": I(5, 7)}, outputs=("a", "b"))
case("split_equal", [n("Split", "x", "a,b,c", axis=-2)], outputs=("a", "b", "c"))
case("split_opset18", [n("Split", "x", "a,b,c", axis=1, num_outputs=3)], opset=18,
     outputs=("a", "b", "c"))
case("slice", [n("Slice", "x,s,e,a,t")],
     {"s": I(-1, 1), "e": I(-10, 2 ** 62), "a": I(2, -1), "t": I(-2, 3)})
case("slice_batch", [n("Slice", "x,s,e")], {"s": I(0, 1), "e": I(2 ** 63 - 1, 2)})
case("pad", [n("Pad", "x,p,v")], {"p": I(0, 0, 1, -2, 0, 1, 2, 3), "v": S(-1)})
case("pad_reflect", [n("Pad", "x,p", mode="reflect")], {"p": I(0, 0, 8, 0, 0, 0, 2, 3)})
case("resize_scales", [n("Resize", "x,,s", mode="nearest")], {"s": S([1, 1, 1.7, 0.3])})
case("resize_roi", [n("Resize", "x,r,s", mode="linear")], {"s": S([1, 1, 2, 2]), "r": S([])})
case("resize_opset10", [n("Resize", "x,s", mode="nearest")], {"s": S([1, 1, 2, 3])}, opset=10)
case("resize_opset18", [n("Resize", "x,,s", mode="cubic", antialias=0)], {"s": S([1, 1, 2, 2])},
     opset=18)

# numbers
case("broadcast", [n("Add", "x,c", "a"), n("Mul", "d,x", "b"), n("Sub", "x,e", "c1"),
                   n("Max", "x,c,e", "m"), n("Sum", "x,x,d", "s")],
     {"c": (1, 12), "d": (3, 1, 1), "e": S(2)}, outputs=("a", "b", "c1", "m", "s"))
case("broadcast_up", [n("Add", "x,c")], {"c": (4, 1, 3, 9, 12)}, shape=("N", 9, 12),
     run=False, verdict="format do not go together")
case("unary", [n("Relu", "x", "a"), n("Sigmoid", "a", "b"), n("Tanh", "b", "c"), n("Erf", "c", "d"),
               n("LeakyRelu", "d", "e", alpha=0.1), n("Elu", "e", "f"), n("Selu", "f", "g"),
               n("Softplus", "g", "h"), n("Softsign", "h", "i"), n("Exp", "i", "j"),
               n("Sqrt", "j", "k"), n("Log", "k", "l"), n("Neg", "l", "m"), n("Identity", "m", "o"),
               n("HardSigmoid", "o", "y")])
case("hard_swish", [n("HardSwish", "x")], opset=14)
case("gemm", [n("Flatten", "x", "f"), n("Gemm", "f,w,b", transB=1, alpha=0.5)],
     {"w": (10, 324), "b": (10,)})
case("gemm_plain", [n("Flatten", "x", "f"), n("Gemm", "f,w,b")], {"w": (324, 10), "b": (1, 10)})
case("matmul", [n("MatMul", "x,w")], {"w": (12, 5)})
case("matmul_batched", [n("MatMul", "x,w")], {"w": (3, 12, 5)})
case("matmul_vector", [n("MatMul", "x,w")], {"w": (12,)})
case("reduce", [n("ReduceMean", "x", "a", axes=[2, -1], keepdims=0), n("ReduceMax", "x", "b", axes=[1]),
                n("ReduceSum", "x,s", "c", keepdims=0)], {"s": I(3)}, outputs=("a", "b", "c"))
case("reduce_opset18", [n("ReduceMean", "x,s", "a", keepdims=0), n("ReduceMin", "x,t", "b")],
     {"s": I(2, 3), "t": I(1)}, opset=18, outputs=("a", "b"))
case("reduce_opset11", [n("ReduceSum", "x", axes=[-1], keepdims=0)], opset=11)
case("norms", [n("BatchNormalization", "x,s,b,m,v", "a", epsilon=1e-3), n("LRN", "a", "l", size=3),
               n("InstanceNormalization", "l,s,b")],
     {"s": (3,), "b": (3,), "m": (3,), "v": (3,)})
case("prelu", [n("PRelu", "x,s")], {"s": (3, 1, 1)})
case("softmax", [n("Softmax", "x", "a"), n("LogSoftmax", "x", "y", axis=1)], outputs=("a", "y"))
case("cast", [n("Cast", "x", "a", to=TensorProto.DOUBLE), n("Cast", "a", "y", to=F)])
case("dropout", [n("Dropout", "x,r", "y,mask")], {"r": S(0.3)})

# older forms
case("clip_opset9", [n("Clip", "x", min=0.0, max=6.0)], opset=9)
case("clip", [n("Clip", "x,lo,hi", "a"), n("Clip", "x,,hi", "y")], {"lo": S(0), "hi": S(6)},
     outputs=("a", "y"))
case("pad_opset9", [n("Pad", "x", pads=[0, 0, 1, 1, 0, 0, 2, 2], value=1.5)], opset=9)
case("squeeze_opset11", G + [n("Squeeze", "p", "q", axes=[2, 3]), n("Unsqueeze", "q", axes=[1])],
     opset=11)
case("split_opset11", [n("Split", "x", "a,b", axis=2, split=[4, 5])], opset=11, outputs=("a", "b"))
case("slice_opset9", [n("Slice", "x", starts=[1], ends=[-1], axes=[3])], opset=9)
case("dropout_opset9", [n("Dropout", "x", ratio=0.4)], opset=9)
case("softmax_opset11", [n("Flatten", "x", "f"), n("Softmax", "f")], opset=11)
case("softmax_opset11_maps", G + [n("Softmax", "p")], opset=11)
case("softmax_opset11_wide", [n("Softmax", "x")], opset=11)
case("batchnorm_opset9", [n("BatchNormalization", "x,s,b,m,v")],
     {"s": (3,), "b": (3,), "m": (3,), "v": (3,)}, opset=9)
case("batchnorm_opset15", [n("BatchNormalization", "x,s,b,m,v", training_mode=0)],
     {"s": (3,), "b": (3,), "m": (3,), "v": (3,)}, opset=15)
case("reshape_opset14", [n("Reshape", "x,t", allowzero=1)], {"t": I(-1, 324)}, opset=14)
case("pad_opset21", [n("Pad", "x,p")], {"p": I(0, 0, 1, 1, 0, 0, 1, 1)}, opset=21)

# arithmetic on shapes
Z = np.int64(0)
case("shape_flatten", [n("Shape", "x", "s"), n("Gather", "s,z", "b", axis=0), n("Unsqueeze", "b,a", "c"),
                       n("Concat", "c,m", "t", axis=0), n("Reshape", "x,t")],
     {"z": Z, "a": I(0), "m": I(-1)})
case("shape_product", [n("Shape", "x", "s"), n("Slice", "s,o,e", "r"), n("Gather", "r,z", "h"), n("Gather", "r,w", "v"),
                       n("Mul", "h,v", "p"), n("Unsqueeze", "p,a", "q"), n("Concat", "m,q", "t", axis=0),
                       n("Reshape", "x,t")],
     {"z": Z, "w": np.int64(1), "a": I(0), "m": I(-1, 3), "o": I(2), "e": I(4)})
case("shape_divided", [n("Shape", "x", "s"), n("Cast", "s", "f", to=1), n("Div", "f,h", "g"), n("Floor", "g", "i"),
                       n("Cast", "i", "t", to=7), n("Reshape", "x,t")], {"h": S(2)}, run=False,
     verdict="unsupported Reshape")
case("expand_itself", [n("Shape", "x", "s"), n("Expand", "x,s", "e"), n("Neg", "e")])
case("expand_data", [n("Expand", "x,t", "e"), n("Neg", "e")], {"t": I(2, 1, 1, 1, 1)}, run=False,
     verdict="unsupported Expand \"e\" (computes on data")
case("where_data", [n("Equal", "x,c", "q"), n("Where", "q,x,c")], {"c": S(1)}, run=False,
     verdict="unsupported Equal")
case("strided_batch", [n("Reshape", "x,m", "f"), n("Shape", "x", "s", start=0, end=1), n("Squeeze", "s", "b"),
                       n("Range", "z,b,o", "r"), n("Mul", "r,k", "u"), n("Unsqueeze", "u,a", "v"),
                       n("Add", "v,c", "i"), n("Gather", "f,i")],
     {"m": I(-1), "z": Z, "o": np.int64(1), "k": np.int64(24), "a": I(1, 2),
      "c": np.arange(24).reshape(1, 4, 6)}, shape=("N", 2, 3, 4), opset=18)
case("strided_mixed", [n("Reshape", "x,m", "f"), n("Shape", "x", "s", start=0, end=1), n("Squeeze", "s", "b"),
                       n("Range", "z,b,o", "r"), n("Unsqueeze", "r,a", "v"), n("Gather", "f,v")],
     {"m": I(-1), "z": Z, "o": np.int64(1), "a": I(1)}, opset=18, run=False,
     verdict="unsupported mixes the images of a batch")
case("weights_computed", [n("Transpose", "w", "u", perm=[1, 0]), n("Mul", "u,g", "v"), n("MatMul", "x,v")],
     {"w": (5, 12), "g": (12, 1)})
case("resize_batch", [n("Shape", "x", "s"), n("Slice", "s,z,t", "b"), n("Concat", "b,k", "d", axis=0),
                      n("Resize", "x,,,d")], {"z": I(0), "t": I(2), "k": I(18, 25)})
case("gather_data", [n("Gather", "x,i", "a", axis=1), n("Gather", "x,k", "y", axis=-1)],
     {"i": np.int64(-1), "k": I(0, 11, 3)}, outputs=("a", "y"))
case("split_uneven", [n("Split", "x", "a,b", axis=2, num_outputs=2)], opset=18, outputs=("a", "b"))
case("pad_axes", [n("Pad", "x,p,,a")], {"p": I(1, 2, 3, 4), "a": I(3, -2)}, opset=18)
case("layer_norm", [n("LayerNormalization", "x,w,b", axis=2)], {"w": (9, 12), "b": (12,)}, opset=17)

# what files hold
case("constants", [n("Constant", "", "c", value=numpy_helper.from_array(S([[1], [2], [3]])[:, :, None])),
                   n("Constant", "", "t", value_ints=[-1, 324]), n("Constant", "", "h", value_float=0.5),
                   n("Mul", "x,c", "a"), n("Mul", "a,h", "b"), n("Reshape", "b,t")])
case("identity_weight", [n("Identity", "w", "w2"), n("Conv", "x,w2")], {"w": (2, 3, 1, 1)})
case("unsorted", [n("Relu", "a"), n("Tanh", "x", "a")], run=False,
     verdict="ok")
cases[-1] = cases[-1][:2] + ("y Nx3x9x12\n", "ok")
case("cycle", [n("Add", "x,b", "a"), n("Relu", "a", "b"), n("Relu", "b", "y")], run=False,
     verdict="format cycle")
case("dangling", [n("Add", "x,nowhere")], run=False, verdict="format nowhere")
case("twice", [n("Relu", "x"), n("Tanh", "x")], run=False, verdict="format made twice")
case("no_output", [n("Relu", "x", "z")], run=False, verdict="format nothing makes it")
case("unknown_ops", [n("TopK", "x,x", "a", name="take"), n("Relu", "a", "b"),
                     helper.make_node("Relu", ["b"], ["c"], name="odd", domain="com.example"),
                     n("NonZero", "c")], run=False,
     verdict='unsupported TopK "take", com.example.Relu "odd", NonZero "y"')
case("training_bn", [n("BatchNormalization", "x,s,b,m,v", "y", training_mode=1)],
     {"s": (3,), "b": (3,), "m": (3,), "v": (3,)}, opset=15, run=False,
     verdict="unsupported training_mode")
case("mixes_batch", [n("Reshape", "x,t")], {"t": I(-1, 9)}, run=False,
     verdict="unsupported mixes the images of a batch")
case("bad_channels", [n("Conv", "x,w")], {"w": (2, 4, 1, 1)}, run=False,
     verdict="format channels")
case("opset8", [n("Relu", "x")], opset=8, run=False, verdict="unsupported opset 8")
case("opset29", [n("Relu", "x")], opset=29, run=False, verdict="unsupported opset 29")


def external(model):
    t = model.graph.initializer[0]
    t.ClearField("raw_data")
    t.data_location = TensorProto.EXTERNAL
    entry = t.external_data.add()
    entry.key, entry.value = "location", "weights.bin"


case("external", [n("Add", "x,c")], {"c": (3, 1, 1)}, edit=external, run=False,
     verdict="unsupported external data")


def short(model):
    model.graph.initializer[0].raw_data = model.graph.initializer[0].raw_data[:-1]


case("short_data", [n("Add", "x,c")], {"c": (3, 1, 1)}, edit=short, run=False,
     verdict="format not as long as its shape says")


def literal_batch(model):
    if model.graph.input[0].type.tensor_type.shape.dim[0].dim_param:
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1


def literal(key, nodes, consts, shape, expect):
    """Exported with a batch of 1 spelled out, meant for any."""
    case("batch1_" + key, nodes, consts, shape=shape, run=False, edit=literal_batch)
    cases[-1] = cases[-1][:2] + (expect, "ok")


literal("front", G + [n("Reshape", "p,t")], {"t": I(1, 3)}, (1, 3, 9, 12), "y Nx3\n")
literal("infer", G + [n("Reshape", "p,t")], {"t": I(1, -1)}, (1, 3, 9, 12), "y Nx3\n")
literal("split", [n("Reshape", "x,t")], {"t": I(1, 3, -1, 12)}, (1, 3, 9, 12), "y Nx3x9x12\n")
literal("seven", G + [n("Reshape", "p,t")], {"t": I(7, 3)}, (7, 3, 9, 12), "y Nx3\n")
for size in (1, 2):
    literal("strided%d" % size, [n("Reshape", "x,m", "f"), n("Gather", "f,i")],
            {"m": I(-1), "i": np.arange(size * 24).reshape(size, 4, 6)}, (size, 2, 3, 4), "y Nx4x6\n")

# typed data instead of raw
T = helper.make_tensor
case("float_data", [n("Add", "x,c")], {"c": T("c", F, (3, 1, 1), [1, 2, 3])})
case("double_data", [n("Cast", "x", "d", to=11), n("Add", "d,c", "e"), n("Cast", "e", to=1)],
     {"c": T("c", TensorProto.DOUBLE, (1,), [0.1])})
case("int64_data", [n("Reshape", "x,t")], {"t": T("t", TensorProto.INT64, (2,), [-1, 324])})
case("half_data", [n("Cast", "x", "d", to=10), n("Add", "d,c", "e"), n("Cast", "e", to=1)],
     {"c": T("c", TensorProto.FLOAT16, (2, 1), [1.5, -65504])}, shape=("N", 2, 5))
case("initializer_is_input", [n("Add", "x,c")], {"c": (3, 1, 1)},
     inputs=[helper.make_tensor_value_info("x", F, ("N", 3, 9, 12)),
             helper.make_tensor_value_info("c", F, (3, 1, 1))])


def metadata(model):
    for key, value in (("penult.labels", "n01 gull\nn02 caf\u00e9"), ("other", "")):
        p = model.metadata_props.add()
        p.key, p.value = key, value


case("metadata", [n("Relu", "x")], edit=metadata)


# functions of a model's own
def with_functions(name, verdict, bodies, nodes=None, opsets=(13,), edit=None):
    """bodies: name -> nodes, each function from x to y, in the order of the names"""
    def add(model):
        model.opset_import.append(helper.make_opsetid("own", 1))
        imports = [helper.make_opsetid("", v) for v in opsets] + [helper.make_opsetid("own", 1)]
        for key, body in bodies.items():
            model.functions.append(helper.make_function("own", key, ["x"], ["y"], body, imports))
        if edit:
            edit(model)

    case("functions_" + name, nodes or [call(next(iter(bodies)), "x")], edit=add, run=False, verdict=verdict)
    if verdict == "ok":
        cases[-1] = cases[-1][:2] + ("y Nx3x9x12\n", "ok")


def call(function, inputs, outputs="y"):
    return n(function, inputs, outputs, domain="own")


def twice(model):
    model.functions.append(model.functions[0])


relu = [n("Relu", "x")]
with_functions("one", "ok", {"f": relu})
with_functions("unused", "ok", {"f": [n("Nonsense", "x")]}, [n("Relu", "x")])
with_functions("of_a_name_like_an_operators", "ok", {"Relu": [n("Neg", "x")]}, [n("Relu", "x", "a"), call("Relu", "a")])
with_functions("of_later_opset", "ok", {"f": [n("Split", "x", "a,b,c", axis=1, num_outputs=3), n("Concat", "a,c,b", axis=1)]},
               opsets=(18,))
with_functions("twice", "format twice", {"f": relu}, edit=twice)
with_functions("itself", "format calls itself", {"f": [call("f", "x")]})
with_functions("circle", "format calls itself", {"f": [call("g", "x")], "g": [call("h", "x")], "h": [call("g", "x")]})
with_functions("deep", "format too deep", {"f%d" % i: [call("f%d" % (i + 1), "x")] for i in range(70)} | {"f70": relu})
with_functions("without_result", "format nothing makes", {"f": [n("Relu", "x", "a")]})
with_functions("reads_nothing", "format in function \"f\": byte 0: Relu reads", {"f": [n("Relu", "z")]})
with_functions("makes_twice", "format in function \"f\": byte ", {"f": [n("Relu", "x"), n("Neg", "x")]})
with_functions("call_without_output", "format in function \"f\": byte 0: a call",
               {"f": [n("Relu", "x"), helper.make_node("g", ["x"], [], domain="own")], "g": relu})
with_functions("input_left_out_is_its_output", "format Identity \"y\"", {"f": []},
               [call("f", "")], edit=lambda model: model.functions[0].output.__setitem__(0, "x"))
with_functions("of_no_opset", "unsupported opset 99", {"f": relu}, opsets=(99,))
with_functions("unknown", "unsupported own.g", {"f": [call("g", "x")]})
with_functions("no_input", "format Relu", {"f": relu}, [n("Relu", "x", "a"), call("f", "")])

here = os.path.dirname(os.path.abspath(__file__))
with open(os.path.join(here, "onnx_cases.bin"), "wb") as f:
    for parts in cases:
        for part in parts:
            data = part if isinstance(part, bytes) else part.encode()
            f.write(struct.pack("<I", len(data)) + data)
print(len(cases), "cases")
