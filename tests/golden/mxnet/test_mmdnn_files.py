"""Protobuf and numpy read the three files that penult writes as MMdnn's IR: what they find is the model's.

usage: test_mmdnn_files.py PENULT
"""
import os
import subprocess
import sys
import tempfile
import unittest

import checkpoints

try:
    import onnx
    import onnx.numpy_helper
    from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory
except ImportError:
    print("python3-onnx or its protobuf is not installed")
    sys.exit(77)
import numpy as np

PENULT = os.environ.get("PENULT_BIN") or sys.argv.pop()
NO_WORD = "(MMdnn's PyTorch emitter has no such operator)"
NO_TURN = "(MMdnn's PyTorch emitter cannot transpose)"
REFUSED = {"squeeze-excite": 'Elu "elu1" ' + NO_WORD,
           "retinaface-mnet": 'Resize "rf_c32_upsampling" ' + NO_WORD,
           "retinaface-r50": 'Resize "rf_c16_upsampling" ' + NO_WORD,
           "shufflenet-v1": 'Transpose "stage2_0_shuffle_swap" ' + NO_TURN,
           "shufflenet-v2": 'Transpose "stage2_0_shuffle_swap" ' + NO_TURN,
           "shufflenet-v2-split": 'Transpose "stage2_0_shuffle_swap" ' + NO_TURN}

# message: fields as name, number, type, repeated; the part of MMdnn's graph.proto that a GraphDef needs
SCHEMA = {
    "Dim": [("size", 1, "int64", False), ("name", 2, "string", False)],
    "TensorShape": [("dim", 2, "Dim", True), ("unknown_rank", 3, "bool", False)],
    "ListValue": [("s", 2, "bytes", True), ("i", 3, "int64", True), ("f", 4, "float", True), ("b", 5, "bool", True),
                  ("shape", 7, "TensorShape", True)],
    "AttrValue": [("list", 1, "ListValue", False), ("s", 2, "bytes", False), ("i", 3, "int64", False),
                  ("f", 4, "float", False), ("b", 5, "bool", False), ("shape", 7, "TensorShape", False)],
    "AttrEntry": [("key", 1, "string", False), ("value", 2, "AttrValue", False)],
    "NodeDef": [("name", 1, "string", False), ("op", 2, "string", False), ("input", 3, "string", True),
                ("attr", 4, "NodeDef.AttrEntry", True)],
    "GraphDef": [("node", 1, "NodeDef", True), ("version", 2, "int32", False)],
}


def graph_def():
    """The class of GraphDef messages."""
    proto = descriptor_pb2.FileDescriptorProto(name="graph.proto", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto
    made = {}
    for name, fields in SCHEMA.items():
        m = made["NodeDef"].nested_type.add() if name == "AttrEntry" and "NodeDef" in made else proto.message_type.add()
        m.name = name
        made[name] = m
        for field, number, kind, repeated in fields:
            f = m.field.add(name=field, number=number, label=kinds.LABEL_REPEATED if repeated else kinds.LABEL_OPTIONAL)
            if kind in ("int64", "int32", "string", "bytes", "bool", "float"):
                f.type = getattr(kinds, "TYPE_" + kind.upper())
            else:
                f.type, f.type_name = kinds.TYPE_MESSAGE, "." + kind
            if name == "AttrValue":
                f.oneof_index = 0
        if name == "AttrValue":
            m.oneof_decl.add(name="value")
    entry = next(m for m in proto.message_type if m.name == "AttrEntry")
    node = next(m for m in proto.message_type if m.name == "NodeDef")
    nested = node.nested_type.add()
    nested.CopyFrom(entry)
    nested.options.map_entry = True
    proto.message_type.remove(entry)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(proto)
    descriptor = pool.FindMessageTypeByName("GraphDef")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(pool).GetPrototype(descriptor)


GraphDef = graph_def()


def shape_of(node):
    return [d.size for d in node.attr["_output_shapes"].list.shape[0].dim]


def channels_last(w):
    """OIHW as the IR has it."""
    return w.transpose(*range(2, w.ndim), 1, 0)


class Files(unittest.TestCase):
    def check_layer(self, node, onnx_node, weights, constants, parents):
        mine = [constants[i] for i in onnx_node.input[1:]]
        theirs = weights[node.name]
        if node.op == "Conv":
            np.testing.assert_array_equal(channels_last(mine[0]), theirs["weights"])
        elif node.op == "DepthwiseConv":
            np.testing.assert_array_equal(channels_last(mine[0]).swapaxes(-1, -2), theirs["weights"])
        elif node.op == "FullyConnected":
            w = mine[0].T
            if parents[0].op == "Flatten":
                n, *places, c = shape_of(parents[1])
                w = w.reshape(c, -1, w.shape[1]).swapaxes(0, 1).reshape(w.shape)
            np.testing.assert_array_equal(w, theirs["weights"])
        elif node.op == "BatchNorm":
            for key, a in zip(("scale", "bias", "mean", "var"), mine):
                np.testing.assert_array_equal(a, theirs[key])
            return
        elif node.op == "PRelu":
            np.testing.assert_array_equal(mine[0].ravel(), theirs["gamma"])
            return
        else:
            return
        self.assertEqual(node.attr["use_bias"].b, len(mine) == 2)
        if len(mine) == 2:
            np.testing.assert_array_equal(mine[1], theirs["bias"])

    def check(self, tmp):
        graph, same = GraphDef(), GraphDef()
        with open(tmp + "/ir.pb", "rb") as f:
            graph.ParseFromString(f.read())
        with open(tmp + "/ir.json", encoding="utf-8") as f:
            json_format.Parse(f.read(), same)
        self.assertEqual(graph, same)
        weights = np.load(tmp + "/ir.npy", allow_pickle=True).item()
        model = onnx.load(tmp + "/model.onnx").graph
        constants = {t.name: onnx.numpy_helper.to_array(t).astype(np.float32) for t in model.initializer}
        makers = {n.output[0]: n for n in model.node}
        nodes = {n.name: n for n in graph.node}
        self.assertEqual(len(nodes), len(graph.node))
        n_layers = 0
        for node in graph.node:
            self.assertTrue(node.name.isidentifier() and not node.name.startswith("_"), node.name)
            self.assertTrue(all(i in nodes for i in node.input))
            self.assertEqual(len(set(node.input)), len(node.input))
            onnx_node = makers.get(node.attr["penult.name"].s.decode() or node.name + "_output")
            if onnx_node and node.name in weights:
                parent = nodes[node.input[0]]
                parents = [parent, nodes[parent.input[0]] if parent.input else None]
                self.check_layer(node, onnx_node, weights, constants, parents)
                n_layers += 1
        return n_layers

    def test_every_golden_is_written_as_it_is(self):
        seen = 0
        for folder, about, files in checkpoints.goldens():
            name = os.path.basename(folder)
            with self.subTest(name), tempfile.TemporaryDirectory() as tmp:
                checkpoints.convert(PENULT, about, files, tmp + "/model.onnx")
                run = subprocess.run([PENULT, "convert", tmp + "/model.onnx", "-o", tmp + "/ir.pb"],
                                     capture_output=True, text=True)
                if name in REFUSED:
                    self.assertNotEqual(0, run.returncode)
                    self.assertIn(REFUSED[name], run.stderr)
                    self.assertEqual(["model.onnx"], os.listdir(tmp))
                    continue
                self.assertEqual(0, run.returncode, run.stderr)
                self.assertGreaterEqual(self.check(tmp), 3)
                seen += 1
        self.assertGreaterEqual(seen, 8)


unittest.main(argv=sys.argv[:1])
