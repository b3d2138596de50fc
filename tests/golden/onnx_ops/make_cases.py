"""Small ONNX graphs with ONNX Runtime's answers: one file a case.

usage: make_cases.py FOLDER   (needs onnx, onnxruntime, numpy; written with onnxruntime 1.32)

The input and the expected outputs lie in the file as constants that no node reads:
`expected input` and `expected NAME` for each output.
"""
import os
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

BATCH = 3
node = helper.make_node
rng = np.random.default_rng(1)
cases = {}
opsets = {}  # of cases that are not of opset 13
functions = {}  # of cases that have their own
not_for_ort = set()  # cases that ONNX Runtime 1.32 refuses: onnx's reference evaluator answers


def r(*shape):
    return rng.standard_normal(shape).astype(np.float32)


def ints(*v):
    return np.array(v, np.int64)


def floats(v):
    return np.array(v, np.float32)


def case(name, shape, nodes, consts=None, outputs=("y",)):
    assert name not in cases, name
    cases[name] = (shape, nodes, consts or {}, outputs)


def conv(name, shape, cout, kernel, strides=(1, 1), pads=(0, 0, 0, 0), group=1, dilations=(1, 1),
         after=(), **consts):
    weights = {"w": r(cout, shape[0] // group, *kernel) * 0.3, "b": r(cout), **consts}
    nodes = [node("Conv", ["x", "w", "b"], ["c" if after else "y"], strides=strides, pads=pads,
                  group=group, dilations=dilations), *after]
    case(name, shape, nodes, weights)


def statistics(n):
    return {"g": r(n), "be": r(n), "m": r(n), "v": abs(r(n))}


def convolutions():
    conv("conv_1x1", (8, 5, 6), 19, (1, 1))
    conv("conv_1x1_stride", (8, 5, 6), 12, (1, 1), (2, 2))
    conv("conv_3x3", (6, 9, 7), 10, (3, 3), pads=(1, 1, 1, 1))
    conv("conv_7x7_stem", (3, 12, 11), 6, (7, 7), (2, 2), (3, 3, 3, 3))
    conv("conv_asymmetric_pads", (5, 9, 8), 7, (3, 3), (2, 2), (0, 0, 1, 1))
    conv("conv_dilated", (4, 9, 9), 6, (3, 3), pads=(2, 2, 2, 2), dilations=(2, 2))
    conv("conv_1x7", (3, 8, 8), 5, (1, 7), pads=(0, 3, 0, 3))
    conv("conv_grouped", (8, 6, 6), 12, (3, 3), pads=(1, 1, 1, 1), group=4)
    conv("conv_two_pixel_tiles", (2, 24, 24), 3, (3, 3), pads=(1, 1, 1, 1))
    conv("conv_two_channel_tiles", (4, 3, 3), 300, (1, 1))
    conv("conv_deep", (160, 3, 3), 5, (3, 3), pads=(1, 1, 1, 1))
    conv("depthwise_3x3", (40, 6, 6), 40, (3, 3), pads=(1, 1, 1, 1), group=40)
    conv("depthwise_5x5_stride", (19, 7, 6), 19, (5, 5), (2, 2), (2, 2, 2, 2), group=19)
    conv("depthwise_1x3", (5, 4, 6), 5, (1, 3), pads=(0, 1, 0, 1), group=5)
    conv("depthwise_multiplier", (6, 5, 5), 12, (3, 3), pads=(1, 1, 1, 1), group=6)
    pad = dict(pads=(1, 1, 1, 1))
    norm = node("BatchNormalization", ["c", "g", "be", "m", "v"], ["d"], epsilon=1e-3)
    conv("conv_relu", (4, 5, 5), 6, (3, 3), after=[node("Relu", ["c"], ["y"])])
    conv("conv_clip", (4, 5, 5), 6, (3, 3), after=[node("Clip", ["c", "lo", "hi"], ["y"])],
         lo=floats(0), hi=floats(1))
    conv("conv_prelu", (4, 5, 5), 6, (3, 3), after=[node("PRelu", ["c", "s"], ["y"])],
         s=r(6, 1, 1), **pad)
    conv("conv_norm_leaky", (4, 5, 5), 6, (3, 3), **pad, **statistics(6),
         after=[norm, node("LeakyRelu", ["d"], ["y"], alpha=0.1)])
    conv("depthwise_norm_clip", (6, 5, 5), 6, (3, 3), **pad, group=6, **statistics(6),
         lo=floats(0), hi=floats(6),
         after=[norm, node("Clip", ["d", "lo", "hi"], ["y"])])
    case("pad_before_conv", (3, 8, 8), [node("Pad", ["x", "p"], ["a"]),
                                        node("Conv", ["a", "w"], ["y"], strides=(2, 2))],
         {"p": ints(0, 0, 0, 0, 0, 0, 1, 1), "w": r(4, 3, 3, 3)})
    for name, attrs, shape in [
            ("conv_transpose", dict(strides=(2, 2), pads=(1, 1, 1, 1), output_padding=(1, 0)), (6, 4, 3, 3)),
            ("conv_transpose_depthwise", dict(strides=(2, 2), pads=(1, 1, 1, 1), group=6), (6, 1, 4, 4)),
            ("conv_transpose_dilated", dict(dilations=(2, 2)), (6, 2, 3, 3))]:
        case(name, (6, 5, 4), [node("ConvTranspose", ["x", "w"], ["c"], **attrs), node("Relu", ["c"], ["y"])],
             {"w": r(*shape)})


def pools():
    for label, pads, kernel, strides, ceil in [
            ("plain", (0, 0, 0, 0), (3, 3), (2, 2), 0), ("ceil", (0, 0, 0, 0), (3, 3), (2, 2), 1),
            ("pad", (1, 1, 1, 1), (3, 3), (2, 2), 0), ("pad_ceil", (1, 1, 1, 1), (3, 3), (2, 2), 1),
            ("far_pad", (0, 0, 1, 1), (3, 3), (2, 2), 1), ("pad_stride1", (1, 1, 1, 1), (3, 3), (1, 1), 0)]:
        attrs = dict(kernel_shape=kernel, strides=strides, pads=pads, ceil_mode=ceil)
        case(f"max_pool_{label}", (5, 8, 7), [node("MaxPool", ["x"], ["y"], **attrs)])
        for counts in (0, 1):
            case(f"average_pool_{label}_{counts}", (5, 8, 7),
                 [node("AveragePool", ["x"], ["y"], **attrs, count_include_pad=counts)])
    case("max_pool_dilated", (4, 8, 8), [node("MaxPool", ["x"], ["y"], kernel_shape=(3, 3), dilations=(2, 2))])
    case("global_average_pool", (260, 3, 4), [node("GlobalAveragePool", ["x"], ["y"])])
    case("global_max_pool", (37, 5, 4), [node("GlobalMaxPool", ["x"], ["y"])])


def matrices():
    flat = node("Flatten", ["x"], ["f"])
    case("flatten_fc", (6, 5, 4), [flat, node("Gemm", ["f", "w", "b"], ["y"], transB=1)],
         {"w": r(70, 120), "b": r(70)})
    case("flatten_fc_tapped", (6, 3, 2), [flat, node("Gemm", ["f", "w", "b"], ["y"], transB=1, alpha=0.5, beta=2.0)],
         {"w": r(7, 36), "b": r(7)}, ("f", "y"))
    case("gemm_k_major_relu", (20,), [node("Gemm", ["x", "w", "b"], ["z"]), node("Relu", ["z"], ["y"])],
         {"w": r(20, 130), "b": r(130)})
    case("gemm_norm", (20,), [node("Gemm", ["x", "w"], ["z"], transB=1),
                              node("BatchNormalization", ["z", "g", "be", "m", "v"], ["y"])],
         {"w": r(30, 20), **statistics(30)})
    case("matmul_bias", (20,), [node("MatMul", ["x", "w"], ["z"]), node("Add", ["z", "b"], ["y"])],
         {"w": r(20, 13), "b": r(13)})
    case("matmul_rows", (4, 20), [node("MatMul", ["x", "w"], ["y"])], {"w": r(20, 13)})
    case("matmul_maps", (3, 4, 5), [node("MatMul", ["x", "w"], ["y"])], {"w": r(3, 5, 6)})
    case("matmul_constant_first", (4, 20), [node("MatMul", ["w", "x"], ["y"])], {"w": r(7, 4)})
    case("matmul_computed", (3, 4, 5), [node("Transpose", ["x"], ["t"], perm=(0, 1, 3, 2)),
                                        node("MatMul", ["x", "t"], ["y"])])


def networks():
    pad = dict(pads=(1, 1, 1, 1))
    two = [node("Conv", ["x", "w1"], ["a"], **pad), node("Conv", ["x", "w2"], ["b"]), node("Add", ["a", "b"], ["s"]),
           node("Relu", ["s"], ["y"])]
    weights = {"w1": r(6, 4, 3, 3), "w2": r(6, 4, 1, 1)}
    case("residual_of_two_convs", (4, 5, 5), two, weights)
    case("residual_tapped", (4, 5, 5), two, weights, ("a", "s", "y"))
    case("residual_of_input", (4, 5, 5), [node("Conv", ["x", "w"], ["a"], **pad), node("Add", ["x", "a"], ["s"]),
                                          node("Relu", ["s"], ["y"])], {"w": r(4, 4, 3, 3)})
    case("residual_of_itself", (4, 3, 3), [node("Conv", ["x", "w"], ["a"]), node("Add", ["a", "a"], ["y"])],
         {"w": r(4, 4, 1, 1)})
    norm = node("BatchNormalization", ["x", "g", "be", "m", "v"], ["n"])
    case("preactivation", (4, 5, 5), [norm, node("Relu", ["n"], ["p"]), node("Conv", ["p", "w"], ["a"], **pad),
                                      node("Add", ["a", "x"], ["y"])], {"w": r(4, 4, 3, 3), **statistics(4)})
    fire = [node("Conv", ["x", "w1"], ["a"]), node("Relu", ["a"], ["ar"]), node("Conv", ["x", "w2"], ["b"], **pad),
            node("Relu", ["b"], ["br"]), node("Concat", ["ar", "br"], ["c"], axis=1),
            node("MaxPool", ["c"], ["y"], kernel_shape=(2, 2), strides=(2, 2))]
    weights = {"w1": r(5, 4, 1, 1), "w2": r(6, 4, 3, 3)}
    case("fire", (4, 6, 6), fire, weights)
    case("fire_tapped", (4, 6, 6), fire, weights, ("ar", "c", "br", "a", "y"))
    dense = [node("Conv", ["x", "w1"], ["a"], **pad), node("Concat", ["x", "a"], ["c1"], axis=1),
             node("BatchNormalization", ["c1", "g", "be", "m", "v"], ["n"]), node("Relu", ["n"], ["p"]),
             node("Conv", ["p", "w2"], ["b"], **pad), node("Concat", ["c1", "b"], ["c2"], axis=1),
             node("Relu", ["c2"], ["q"]), node("Conv", ["q", "w3"], ["e"]), node("Concat", ["c2", "e"], ["c3"], axis=1),
             node("GlobalAveragePool", ["c3"], ["t"]), node("Flatten", ["t"], ["y"])]
    case("dense_block", (8, 5, 5), dense, {"w1": r(4, 8, 3, 3), "w2": r(4, 12, 3, 3), "w3": r(4, 16, 1, 1),
                                           **statistics(12)}, ("y", "c1"))
    case("squeeze_excite", (8, 4, 4), [node("GlobalAveragePool", ["x"], ["a"]), node("Conv", ["a", "w1"], ["b"]),
                                       node("Relu", ["b"], ["c"]), node("Conv", ["c", "w2"], ["d"]),
                                       node("Sigmoid", ["d"], ["e"]), node("Mul", ["x", "e"], ["y"])],
         {"w1": r(2, 8, 1, 1), "w2": r(8, 2, 1, 1)})
    case("channel_shuffle", (6, 3, 4), [node("Reshape", ["x", "s1"], ["a"]),
                                        node("Transpose", ["a"], ["b"], perm=(0, 2, 1, 3, 4)),
                                        node("Reshape", ["b", "s2"], ["y"])],
         {"s1": ints(0, 2, 3, 3, 4), "s2": ints(-1, 6, 3, 4)})
    case("slice_of_one_channel", (4, 6, 5), [
        node("Conv", ["x", "w"], ["a"]), node("Conv", ["x", "v"], ["b"]), node("Concat", ["a", "b"], ["c"], axis=1),
        node("Relu", ["a"], ["d"]), node("Add", ["d", "e"], ["y0"]), node("Mul", ["a", "d"], ["z"]),
        node("GlobalAveragePool", ["c"], ["y"])], {"w": r(1, 4, 1, 1), "v": r(3, 4, 1, 1), "e": r(6, 5)},
        ("y", "z", "y0"))
    case("memory_read_twice", (4, 3, 3), [node("Relu", ["x"], ["a"]), node("Flatten", ["a"], ["f"]),
                                          node("Reshape", ["f", "s"], ["g"]), node("Add", ["a", "g"], ["y"])],
         {"s": ints(-1, 4, 3, 3)})


def elementwise():
    for op in ["Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Exp", "Erf", "Neg", "HardSwish", "Selu", "Elu",
               "HardSigmoid", "LeakyRelu"]:
        case(f"unary_{op}", (3, 4, 5), [node(op, ["x"], ["y"])])
    case("unary_Sqrt_Log", (3, 4, 5), [node("Mul", ["x", "x"], ["a"]), node("Sqrt", ["a"], ["b"]),
                                       node("Log", ["b"], ["y"])])
    for op in ["Add", "Sub", "Mul", "Div", "Max", "Min"]:
        case(f"{op}_scalar", (3, 4, 5), [node(op, ["x", "c"], ["y"])], {"c": floats(1.5)})
        case(f"{op}_scalar_first", (3, 4, 5), [node(op, ["c", "x"], ["y"])], {"c": floats(1.5)})
        case(f"{op}_channel", (3, 4, 5), [node(op, ["x", "c"], ["y"])], {"c": r(3, 1, 1) + 3})
        case(f"{op}_map", (3, 4, 5), [node(op, ["c", "x"], ["y"])], {"c": r(1, 1, 4, 5) + 3})
        case(f"{op}_row", (3, 4, 5), [node(op, ["c", "x"], ["y"])], {"c": r(5)})
        case(f"{op}_computed", (3, 4, 5), [
            node("Sigmoid", ["x"], ["a"]), node("GlobalAveragePool", ["a"], ["b"]), node(op, ["b", "a"], ["c"]),
            node("Relu", ["c"], ["y"])])
    case("Pow_scalar", (3, 4, 5), [node("Sigmoid", ["x"], ["a"]), node("Pow", ["a", "c"], ["y"])], {"c": floats(2.5)})
    case("Sum_three", (3, 4, 5), [node("Relu", ["x"], ["a"]), node("Sigmoid", ["x"], ["b"]),
                                  node("Sum", ["a", "b", "x"], ["y"])])
    case("Max_three", (3, 4, 5), [node("Neg", ["x"], ["a"]), node("Max", ["a", "x", "c"], ["y"])], {"c": floats(0.5)})
    for name, slope in [("scalar", floats([0.3])), ("full", r(3, 4, 5)), ("channel", r(3, 1, 1))]:
        case(f"PRelu_{name}", (3, 4, 5), [node("PRelu", ["x", "c"], ["y"])], {"c": slope})
    case("normalise_then_relu", (3, 4, 5), [node("Sub", ["x", "c"], ["a"]), node("Mul", ["a", "s"], ["b"]),
                                            node("Relu", ["b"], ["y"])], {"c": floats(127.5), "s": floats(1 / 128)})
    case("nothing_at_all", (3, 4, 5), [node("Dropout", ["x"], ["d"]), node("Cast", ["d"], ["e"], to=1),
                                       node("Identity", ["e"], ["f"]), node("Relu", ["f"], ["y"])], {}, ("d", "y"))


def movements():
    case("concat_twice_the_same", (4, 3, 3), [node("Relu", ["x"], ["a"]), node("Concat", ["a", "a", "x"], ["y"], axis=1),
                                              node("Relu", ["a"], ["z"])], {}, ("y", "z"))
    case("concat_rows", (20,), [node("Gemm", ["x", "w"], ["a"], transB=1), node("Gemm", ["x", "v"], ["b"], transB=1),
                                node("Concat", ["a", "b"], ["y"], axis=1)], {"w": r(7, 20), "v": r(9, 20)})
    for axis in (2, -1):
        case(f"concat_axis{axis}", (4, 3, 3), [node("Relu", ["x"], ["a"]), node("Concat", ["a", "x"], ["y"], axis=axis)])
    case("transpose", (3, 4, 5), [node("Transpose", ["x"], ["y"], perm=(0, 2, 3, 1))])
    case("transpose_flatten", (3, 4, 5), [node("Transpose", ["x"], ["t"], perm=(0, 2, 3, 1)), node("Flatten", ["t"], ["y"])])
    case("flatten", (3, 4, 5), [node("Relu", ["x"], ["a"]), node("Flatten", ["a"], ["y"])])
    case("flatten_relu", (3, 4, 5), [node("Flatten", ["x"], ["f"]), node("Relu", ["f"], ["y"])])
    case("squeeze_unsqueeze", (6,), [node("Unsqueeze", ["x", "a"], ["b"]), node("Conv", ["b", "w"], ["d"]),
                                     node("Squeeze", ["d", "a"], ["y"])], {"a": ints(2, 3), "w": r(5, 6, 1, 1)})
    case("slice_steps", (8, 9, 10), [node("Slice", ["x", "s", "e", "a", "st"], ["y"])],
         {"s": ints(1, -2, 8), "e": ints(7, -100, 2), "a": ints(1, 2, 3), "st": ints(2, -1, -3)})
    case("slice_to_the_end", (5, 3, 3), [node("Slice", ["x", "s", "e", "a"], ["y"])],
         {"s": ints(2), "e": ints(1000), "a": ints(1)})
    case("split", (8, 3, 4), [node("Split", ["x", "s"], ["a", "b", "y"], axis=1), node("Relu", ["b"], ["z"])],
         {"s": ints(2, 3, 3)}, ("y", "z", "a"))
    for mode in ["constant", "edge", "reflect"]:
        case(f"pad_{mode}", (3, 5, 6), [node("Pad", ["x", "p"] + (["v"] if mode == "constant" else []), ["y"], mode=mode)],
             {"p": ints(0, 0, 1, 2, 0, 0, 3, 1), "v": floats(1.25)})
    case("pad_crops", (3, 5, 6), [node("Pad", ["x", "p"], ["y"])], {"p": ints(0, 0, -1, 2, 0, 0, 1, -2)})
    case("pad_before_pool", (3, 6, 6), [node("Pad", ["x", "p"], ["a"]),
                                        node("MaxPool", ["a"], ["y"], kernel_shape=(3, 3), strides=(2, 2))],
         {"p": ints(0, 0, 0, 0, 0, 0, 1, 1)})
    for where, how in [("asymmetric", "floor"), ("half_pixel", "round_prefer_floor"),
                       ("align_corners", "round_prefer_ceil"), ("asymmetric", "ceil"), ("pytorch_half_pixel", "floor")]:
        case(f"resize_{where}_{how}", (2, 4, 5), [node("Resize", ["x", "", "s"], ["y"], mode="nearest",
                                                       coordinate_transformation_mode=where, nearest_mode=how)],
             {"s": floats([1, 1, 2, 1.5])})


def reductions():
    for op in ["ReduceMean", "ReduceMax", "ReduceMin"]:
        for keep in (0, 1):
            for label, axes in [("map", [2, 3]), ("channels", [1]), ("mixed", [-3, -1])]:
                case(f"{op}_{label}_{keep}", (3, 4, 5), [node(op, ["x"], ["y"], axes=axes, keepdims=keep)])
    case("ReduceSum", (3, 4, 5), [node("ReduceSum", ["x", "a"], ["y"], keepdims=0)], {"a": ints(1)})
    for axis in (1, 2, -1):
        case(f"softmax_axis{axis}", (3, 4, 5), [node("Softmax", ["x"], ["y"], axis=axis)])
    case("softmax_of_flat", (4, 1, 1), [node("Flatten", ["x"], ["f"]), node("Softmax", ["f"], ["y"])], {}, ("f", "y"))
    case("log_softmax", (40,), [node("LogSoftmax", ["x"], ["y"], axis=1)])
    case("lrn", (12, 3, 4), [node("LRN", ["x"], ["y"], size=5, alpha=0.1, beta=0.75, bias=2.0)])
    case("instance_norm", (5, 6, 7), [node("InstanceNormalization", ["x", "s", "b"], ["y"], epsilon=1e-3)],
         {"s": r(5), "b": r(5)})
    case("batch_norm", (6, 3, 3), [node("BatchNormalization", ["x", "g", "be", "m", "v"], ["y"])], statistics(6))


def products():
    for keep in (0, 1):
        for label, axes in [("map", [2, 3]), ("channels", [1]), ("mixed", [-3, -1])]:
            case(f"ReduceProd_{label}_{keep}", (3, 4, 5), [node("ReduceProd", ["x"], ["y"], axes=axes, keepdims=keep)])
    at(18, "ReduceProd_axes_of_opset_18", (3, 4, 5), [node("ReduceProd", ["x", "a"], ["y"], keepdims=0)], {"a": ints(2, 1)})
    case("ReduceProd_of_a_shape", (6, 3, 4), [
        node("Shape", ["x"], ["s"]), node("Slice", ["s", "two", "four"], ["hw"]), node("ReduceProd", ["hw"], ["p"]),
        node("Concat", ["head", "p"], ["t"], axis=0), node("Reshape", ["x", "t"], ["r"]), node("Neg", ["r"], ["y"])],
        {"two": ints(2), "four": ints(4), "head": ints(-1, 6)})


def other_axes():
    """One spatial axis, and three: what an image classifier has no need of and a converted net may have."""
    one = {"w": r(6, 4, 3), "b": r(6)}
    case("axis1_conv", (4, 11), [node("Conv", ["x", "w", "b"], ["y"], pads=(1, 2), strides=(2,))], one)
    case("axis1_conv_dilated", (4, 11), [node("Conv", ["x", "w"], ["y"], dilations=(3,), group=2)], {"w": r(6, 2, 3)})
    case("axis1_depthwise", (8, 9), [node("Conv", ["x", "w", "b"], ["y"], pads=(1, 1), group=8)], {"w": r(8, 1, 3), "b": r(8)})
    case("axis1_conv_transpose", (4, 7), [node("ConvTranspose", ["x", "w", "b"], ["y"], strides=(2,), pads=(1, 0),
                                               output_padding=(1,))], {"w": r(4, 5, 3), "b": r(5)})
    case("axis1_unit", (6, 12), [
        node("Conv", ["x", "w", "b"], ["c"], pads=(1, 1)), node("BatchNormalization", ["c", "g", "be", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]), node("Add", ["r", "x"], ["a"]), node("PRelu", ["a", "s"], ["p"]),
        node("Mul", ["p", "k"], ["q"]), node("Dropout", ["q"], ["d"]),
        node("MaxPool", ["d"], ["o"], kernel_shape=(2,), strides=(2,)),
        node("Flatten", ["o"], ["f"]), node("Gemm", ["f", "wf"], ["y"])],
        {"w": r(6, 6, 3), "b": r(6), **statistics(6), "s": r(6, 1), "k": r(6, 1), "wf": r(36, 5)}, ("y", "r", "f", "p"))
    case("axis1_of_a_sequence", (6, 12), [  # between maps and what has no channels first
        node("Conv", ["x", "w"], ["c"], pads=(1, 1)), node("Transpose", ["c"], ["t"], perm=(0, 2, 1)),
        node("MatMul", ["t", "m"], ["u"]), node("Transpose", ["u"], ["v"], perm=(0, 2, 1)), node("Add", ["v", "row"], ["a"]),
        node("Add", ["a", "c"], ["e"]), node("Concat", ["e", "x"], ["k"], axis=1), node("GlobalMaxPool", ["k"], ["y"])],
        {"w": r(6, 6, 3), "m": r(6, 6), "row": r(12)}, ("y", "e"))
    for op, pad in (("MaxPool", 0), ("AveragePool", 0), ("AveragePool", 1)):
        more = {"count_include_pad": pad} if op[0] == "A" else {}
        case(f"axis1_{op}_{pad}", (3, 10), [node(op, ["x"], ["y"], kernel_shape=(3,), strides=(2,), pads=(1, 1), ceil_mode=1,
                                                 **more)])
        case(f"axis3_{op}_{pad}", (3, 6, 7, 5), [node(op, ["x"], ["y"], kernel_shape=(3, 2, 3), strides=(2, 2, 1),
                                                      pads=(1, 0, 1, 1, 1, 0), **more)])
    for op in ("GlobalAveragePool", "GlobalMaxPool"):
        case("axis1_" + op, (5, 9), [node(op, ["x"], ["y"])])
        case("axis3_" + op, (5, 3, 4, 2), [node(op, ["x"], ["y"])])
    for shape in ((5, 9), (5, 3, 4, 2)):
        n = len(shape) - 1
        case(f"axis{n}_instance_norm", shape, [node("InstanceNormalization", ["x", "s", "b"], ["y"])], {"s": r(5), "b": r(5)})
        case(f"axis{n}_batch_norm", shape, [node("BatchNormalization", ["x", "g", "be", "m", "v"], ["y"])], statistics(5))
    case("axis3_conv", (4, 5, 6, 7), [node("Conv", ["x", "w", "b"], ["y"], pads=(1, 0, 1, 0, 2, 1), strides=(2, 3, 2))],
         {"w": r(6, 4, 3, 2, 3), "b": r(6)})
    case("axis3_conv_plain", (3, 4, 5, 6), [node("Conv", ["x", "w"], ["y"])], {"w": r(5, 3, 2, 3, 2)})
    case("axis3_conv_grouped", (4, 6, 5, 5), [
        node("Conv", ["x", "w"], ["y"], dilations=(2, 1, 2), group=2, pads=(2, 1, 2, 2, 1, 2))], {"w": r(6, 2, 3, 3, 3)})
    case("axis3_conv_step", (2, 3, 9, 4), [node("Conv", ["x", "w"], ["y"], strides=(1, 4, 1))], {"w": r(3, 2, 1, 2, 1)})
    case("axis3_unit", (16, 4, 6, 6), [
        node("Conv", ["x", "w", "b"], ["c"], pads=(1,) * 6), node("BatchNormalization", ["c", "g", "be", "m", "v"], ["n"]),
        node("Relu", ["n"], ["r"]), node("Add", ["r", "x"], ["a"]),
        node("AveragePool", ["a"], ["p"], kernel_shape=(2, 2, 2), strides=(2, 2, 2)),
        node("Flatten", ["p"], ["f"]), node("Gemm", ["f", "wf"], ["y"])],
        {"w": r(16, 16, 3, 3, 3) * 0.1, "b": r(16), **statistics(16), "wf": r(288, 5)}, ("y", "r"))


def function(name, inputs, outputs, nodes, attributes=(), defaults=(), opset=13):
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, inputs, outputs, nodes, imports, attributes, defaults)


def own_functions():
    """Functions of the model's own, as PyTorch and onnxscript write them: attributes with and without defaults, one
    function in another, inputs left out, outputs that nobody wants, another opset inside."""
    def refer(n, **attributes):
        for key, (of, kind) in attributes.items():
            a = n.attribute.add()
            a.name, a.ref_attr_name, a.type = key, of, kind
        return n

    real, whole, many = onnx.AttributeProto.FLOAT, onnx.AttributeProto.INT, onnx.AttributeProto.INTS
    unit = function("Unit", ["x", "w", "b"], ["y", "c"], [
        refer(node("Conv", ["x", "w", "b"], ["c"]), pads=("pads", many), strides=("strides", many)),
        refer(node("LeakyRelu", ["c"], ["y"]), alpha=("slope", real))],
        ["pads", "strides"], [helper.make_attribute("slope", 0.25)])
    mean = function("Centre", ["x"], ["y"], [
        node("Constant", [], ["half"], value=numpy_helper.from_array(floats(0.5))), node("ReduceMean", ["x", "axes"], ["m"]),
        node("Constant", [], ["axes"], value=numpy_helper.from_array(ints(2, 3))), node("Mul", ["m", "half"], ["h"]),
        node("Sub", ["x", "h"], ["y"])], opset=18)
    mean.node.insert(0, mean.node.pop(2))
    both = function("Both", ["x", "w", "b"], ["y", "i"], [
        node("Identity", ["x"], ["i"]), node("Unit", ["x", "w"], ["u", "unread"], domain="own", pads=[1, 1, 1, 1], strides=[1, 1]),
        node("Unit", ["u", "w", "b"], ["v", "c"], domain="own", pads=[1, 1, 1, 1], strides=[1, 1], slope=0.75),
        node("Add", ["v", "c"], ["y"])])
    at(18, "functions", (4, 6, 5), [
        node("Both", ["x", "w", "b"], ["p", "q"], domain="own"), node("Centre", ["p"], ["r"], domain="own"),
        node("Centre", ["q"], ["t"], domain="own"), node("Unit", ["t", "w2"], ["u", "unread"], domain="own", strides=[2, 1]),
        node("Relu", ["r"], ["y"])],
        {"w": r(4, 4, 3, 3) * 0.3, "b": r(4), "w2": r(3, 4, 2, 2)}, ("y", "q", "u"))
    functions["functions"] = [both, mean, unit]


def functions_names():
    """A function's names are its own: the graph, the function that calls it and what reads inside one put in line may
    have the same. Outputs that are inputs, and one value as two outputs."""
    inner = function("Inner", ["p"], ["q"], [node("Neg", ["p"], ["t"]), node("Exp", ["t"], ["q"])])
    outer = function("Outer", ["p"], ["q"], [
        node("Tanh", ["p"], ["t"]), node("Inner", ["t"], ["t/t"], domain="own"), node("Sigmoid", ["t/t"], ["s"]),
        node("Inner", ["s"], ["q"], domain="own")])
    at(13, "functions_names", (2, 3), [
        node("Outer", ["x"], ["a"], domain="own"), node("Relu", ["a"], ["a/t"]), node("Inner", ["a/t"], ["b"], domain="own"),
        node("Mul", ["b", "b/t"], ["a.1/t"]), node("Sqrt", ["a.1/t"], ["y"])],
        {"b/t": floats([2, 3, 4])}, ("y", "a", "a/t"))
    functions["functions_names"] = [inner, outer]


def functions_of_no_node():
    same = function("Same", ["p"], ["p"], [])
    swap = function("Swap", ["p", "q"], ["q", "p", "s", "s"], [node("Sub", ["p", "q"], ["s"])])
    at(13, "functions_of_no_node", (2, 3), [
        node("Relu", ["x"], ["r"]), node("Same", ["r"], ["y"], domain="own"),
        node("Swap", ["x", "y"], ["a", "b", "c", "d"], domain="own"), node("Sub", ["a", "b"], ["e"]),
        node("Swap", ["e", "b"], ["", "", "", "f"], domain="own"), node("Same", ["c"], ["g"], domain="own")],
        {}, ("y", "b", "d", "f", "g"))
    functions["functions_of_no_node"] = [same, swap]
    not_for_ort.add("functions_of_no_node")


def write(folder, name, shape, nodes, consts, outputs):
    graph = helper.make_graph(
        nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info(o, TensorProto.FLOAT, None) for o in outputs],
        [numpy_helper.from_array(np.asarray(v) if isinstance(v, np.generic) else np.ascontiguousarray(v), k)
         for k, v in consts.items()])
    opset = 14 if "HardSwish" in name else opsets.get(name, 13)
    imports = [helper.make_opsetid("", opset)] + [helper.make_opsetid("own", 1)] * (name in functions)
    model = helper.make_model(graph, opset_imports=imports, functions=functions.get(name, []))
    model.ir_version = 7 if opset < 15 else 9
    for output in model.graph.output:
        output.type.tensor_type.ClearField("shape")
    x = r(BATCH, *shape)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = (ReferenceEvaluator(model) if name in not_for_ort else
               ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"]))
    answers = session.run(list(outputs), {"x": x})
    for key, value in [("input", x), *zip(outputs, answers)]:
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), "expected " + key))
    onnx.save(model, os.path.join(folder, name + ".onnx"))


def winograd():
    """3x3 layers of the channel counts and stride that the engine gives to Winograd's algorithm, every edge of
    it: sizes that are no multiple of its tile, pads that differ on all sides, what may follow."""
    norm = node("BatchNormalization", ["c", "g", "be", "m", "v"], ["d"], epsilon=1e-3)
    conv("wino_pads_all_different", (16, 9, 11), 32, (3, 3), pads=(2, 0, 1, 3))
    conv("wino_one_tile", (32, 3, 4), 16, (3, 3), pads=(1, 1, 1, 1))
    conv("wino_norm", (16, 6, 5), 16, (3, 3), pads=(1, 1, 1, 1), **statistics(16),
         after=[norm, node("Relu", ["d"], ["y"])])
    conv("wino_residual_prelu", (16, 7, 10), 16, (3, 3), pads=(1, 1, 1, 1), **statistics(16), s=r(16, 1, 1),
         after=[norm, node("Add", ["d", "x"], ["e"]), node("PRelu", ["e", "s"], ["y"])])
    conv("wino_residual_clip", (48, 5, 9), 48, (3, 3), pads=(1, 1, 1, 1), lo=floats(0), hi=floats(6),
         after=[node("Add", ["x", "c"], ["e"]), node("Clip", ["e", "lo", "hi"], ["y"])])
    conv("wino_into_concat", (32, 6, 6), 16, (3, 3), pads=(1, 1, 1, 1),
         after=[node("Sigmoid", ["c"], ["d"]), node("Concat", ["x", "d"], ["y"], axis=1)])
    conv("wino_deep", (160, 5, 5), 16, (3, 3), pads=(1, 1, 1, 1))
    case("pad_pad_conv", (3, 8, 9), [node("Pad", ["x", "p"], ["a"]), node("Pad", ["a", "q"], ["b"]),
                                     node("Conv", ["b", "w"], ["y"], strides=(2, 1))],
         {"p": ints(0, 0, 1, 0, 0, 0, 2, 3), "q": ints(0, 0, 0, 2, 0, 0, 1, 1), "w": r(4, 3, 3, 3)})
    for op in ("MaxPool", "AveragePool"):
        attrs = dict(kernel_shape=(3, 3), strides=(3, 3), pads=(1, 1, 1, 1), ceil_mode=1)
        case(op + "_last_window_in_padding", (3, 8, 8), [node(op, ["x"], ["y"], **attrs)])


def at(opset, name, *rest):
    case(name, *rest)
    opsets[name] = opset


def of_exporters():
    """What other programs write and an importer of MXNet never does."""
    for how in ("none", "tanh"):
        at(20, f"gelu_{how}", (3, 4, 5), [node("Gelu", ["x"], ["y"], approximate=how)])
    for axis, shape in [(-1, (5,)), (1, (3, 4, 5)), (2, (4, 5)), (-1, (1,))]:
        name = f"layer_norm_axis{axis}_{len(shape)}d{shape[0]}"
        at(17, name, (3, 4, 5), [node("LayerNormalization", ["x", "s", "b"], ["y"], axis=axis, epsilon=1e-3)],
           {"s": r(*shape), "b": r(*shape)})
    at(17, "layer_norm_no_shift", (6, 7), [node("LayerNormalization", ["x", "s"], ["y"])], {"s": r(7)})
    for axis, index in [(1, np.int64(2)), (-1, np.int64(-2)), (2, ints(3, 0, 0, -1))]:
        case(f"gather_axis{axis}", (3, 4, 5), [node("Gather", ["x", "i"], ["y"], axis=axis)], {"i": index})
    at(18, "split_last_smaller", (7, 4), [node("Split", ["x"], ["a", "b", "c"], axis=1, num_outputs=3)], {},
       ("a", "b", "c"))
    at(18, "pad_of_axes", (3, 4, 5), [node("Pad", ["x", "p", "v", "a"], ["y"])],
       {"p": ints(1, 2, 0, 1), "v": floats(0.5), "a": ints(-1, 2)})
    at(18, "reduce_nothing", (3, 4), [node("ReduceMax", ["x", "a"], ["z"], noop_with_empty_axes=1),
                                      node("Neg", ["z"], ["y"])], {"a": ints()})
    at(18, "resize_sizes_of_axes", (3, 4, 5), [node("Resize", ["x", "", "", "s"], ["y"], axes=[2, 3])],
       {"s": ints(7, 12)})
    at(9, "upsample", (3, 4, 5), [node("Upsample", ["x", "s"], ["y"], mode="nearest")], {"s": floats([1, 1, 2, 3])})
    at(11, "softmax_of_all_axes", (3, 4, 5), [node("Relu", ["x"], ["a"]), node("Softmax", ["a"], ["b"]),
                                              node("Neg", ["b"], ["y"])])
    at(11, "log_softmax_of_two_axes", (3, 4, 5), [node("LogSoftmax", ["x"], ["y"], axis=2)])
    # (N, C, H, W) -> (N, H * W, C) with a shape that is looked up, the batch and all
    case("shape_arithmetic", (6, 3, 4), [
        node("Shape", ["x"], ["s"]), node("Gather", ["s", "zero"], ["n"]), node("Gather", ["s", "one"], ["c"]),
        node("Slice", ["s", "two", "four"], ["hw"]), node("Gather", ["hw", "zero"], ["h"]),
        node("Gather", ["hw", "one"], ["w"]), node("Mul", ["h", "w"], ["p"]), node("Div", ["c", "half"], ["d"]),
        node("Unsqueeze", ["n", "axis"], ["n1"]), node("Unsqueeze", ["d", "axis"], ["d1"]),
        node("Unsqueeze", ["p", "axis"], ["p1"]), node("Concat", ["n1", "two", "d1", "p1"], ["t"], axis=0),
        node("Reshape", ["x", "t"], ["r"]), node("Transpose", ["r"], ["y"], perm=(0, 3, 2, 1))],
        {"zero": np.int64(0), "one": np.int64(1), "two": ints(2), "four": ints(4), "half": np.int64(2),
         "axis": ints(0)})
    # expand and where on shapes, as PyTorch spells x.expand(-1, 3, -1, -1) that changes nothing
    case("expand_to_itself", (3, 4), [
        node("ConstantOfShape", ["three"], ["ones"], value=numpy_helper.from_array(ints(1))),
        node("Mul", ["ones", "minus"], ["m"]), node("Equal", ["wanted", "m"], ["q"]),
        node("Where", ["q", "ones", "wanted"], ["t"]), node("Expand", ["x", "t"], ["z"]), node("Exp", ["z"], ["y"])],
        {"three": ints(3), "minus": ints(-1), "wanted": ints(-1, 3, -1)})
    # torch.export's as_strided: every image read back from the flattened batch
    at(18, "strided_batch", (6, 2, 1), [
        node("Relu", ["x"], ["a"]), node("Reshape", ["a", "flat"], ["f"]), node("Shape", ["x"], ["s"], start=0, end=1),
        node("Squeeze", ["s"], ["n"]), node("Range", ["zero", "n", "one"], ["k"]), node("Mul", ["k", "size"], ["m"]),
        node("Unsqueeze", ["m", "axes"], ["u"]), node("Add", ["u", "order"], ["i"]), node("Gather", ["f", "i"], ["g"]),
        node("Neg", ["g"], ["y"])],
        {"flat": ints(-1), "zero": np.int64(0), "one": np.int64(1), "size": np.int64(12), "axes": ints(1, 2),
         "order": np.arange(12).reshape(1, 4, 3)})
    # constants that the graph makes of constants
    case("folded_weights", (3, 4, 4), [
        node("Transpose", ["wt"], ["w1"], perm=(3, 2, 0, 1)), node("Mul", ["w1", "g"], ["w"]),
        node("Cast", ["bd"], ["b"], to=TensorProto.FLOAT), node("Conv", ["x", "w", "b"], ["y"])],
        {"wt": r(2, 2, 3, 5), "g": r(5, 1, 1, 1), "bd": r(5).astype(np.float64)})
    case("half_weights", (3, 4), [
        node("Cast", ["h"], ["w"], to=TensorProto.FLOAT), node("MatMul", ["x", "w"], ["y"])],
        {"h": r(4, 5).astype(np.float16)})
    # a block of ConvNeXt: channels last between two transposes
    at(20, "channels_last_block", (6, 5, 4), [
        node("Conv", ["x", "w"], ["c"], pads=(1, 1, 1, 1), group=6), node("Transpose", ["c"], ["t"], perm=(0, 2, 3, 1)),
        node("LayerNormalization", ["t", "s", "b"], ["l"], epsilon=1e-6), node("MatMul", ["l", "w1"], ["m1"]),
        node("Add", ["b1", "m1"], ["a1"]), node("Gelu", ["a1"], ["g"]), node("MatMul", ["g", "w2"], ["m2"]),
        node("Add", ["m2", "b2"], ["a2"]), node("Transpose", ["a2"], ["u"], perm=(0, 3, 1, 2)),
        node("Mul", ["u", "scale"], ["v"]), node("Add", ["v", "x"], ["y"])],
        {"w": r(6, 1, 3, 3), "s": r(6), "b": r(6), "w1": r(6, 24), "b1": r(24), "w2": r(24, 6), "b2": r(6),
         "scale": r(6, 1, 1)}, ("y", "a1", "l"))
    case("channels_last_norm", (6, 5, 4), [  # the same before LayerNormalization was an operator
        node("Transpose", ["x"], ["t"], perm=(0, 2, 3, 1)), node("ReduceMean", ["t"], ["m"], axes=[-1]),
        node("Sub", ["t", "m"], ["d"]), node("Pow", ["d", "two"], ["q"]), node("ReduceMean", ["q"], ["e"], axes=[3]),
        node("Add", ["e", "tiny"], ["f"]), node("Sqrt", ["f"], ["g"]), node("Div", ["d", "g"], ["h"]),
        node("Mul", ["h", "s"], ["i"]), node("Add", ["i", "b"], ["j"]), node("Reshape", ["j", "rows"], ["k"]),
        node("Add", ["j", "whole"], ["o"]), node("Transpose", ["o"], ["y"], perm=(0, 3, 1, 2))],
        {"two": floats(2), "tiny": floats(1e-5), "s": r(6), "b": r(6), "rows": ints(0, 20, 6), "whole": r(5, 4, 6)},
        ("y", "k"))


def with_own_numbers(family):
    """Cases that came later, without changing those before."""
    global rng
    kept, rng = rng, np.random.default_rng(2)
    family()
    rng = kept


def main():
    for family in (convolutions, pools, matrices, networks, elementwise, movements, reductions):
        family()
    with_own_numbers(winograd)
    with_own_numbers(of_exporters)
    with_own_numbers(products)
    with_own_numbers(other_axes)
    with_own_numbers(own_functions)
    with_own_numbers(functions_names)
    with_own_numbers(functions_of_no_node)
    for name, (shape, nodes, consts, outputs) in cases.items():
        write(sys.argv[1], name, shape, nodes, consts, outputs)


main()
