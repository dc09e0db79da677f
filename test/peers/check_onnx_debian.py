"""Every model in the folder passes the ONNX project's own checker, strict shape inference included."""

import pathlib
import sys

import onnx
import onnx.shape_inference

TYPES = {
    "features": ("FLOAT", 2),
    "logits": ("FLOAT", 2),
    "predicted_class": ("INT64", 1),
    "score": ("DOUBLE", 1),
    "is_ood": ("BOOL", 1),
    "cosine": ("FLOAT", 1),
}

folder = pathlib.Path(sys.argv[1])
models = sorted(folder.glob("*.onnx"))
assert len(models) >= 20, f"expected models in {folder}, found {len(models)}"
for path in models:
    model = onnx.load(str(path))
    assert model.ir_version <= 8 and model.opset_import[0].version <= 17, path.name
    onnx.checker.check_model(model, full_check=True)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names), f"{path.name}: two nodes have one name"
    for output in model.graph.output:
        kind, rank = TYPES[output.name]
        tensor = output.type.tensor_type
        assert tensor.elem_type == onnx.TensorProto.DataType.Value(kind), f"{path.name} {output.name}"
        assert len(tensor.shape.dim) == rank, f"{path.name} {output.name}"
print(f"onnx {onnx.__version__}: {len(models)} models pass the full check")
