"""Every model in the folder gives Python's onnxruntime the same outputs as it gave onnxruntime-node."""

import pathlib
import sys

import numpy
import onnxruntime

folder = pathlib.Path(sys.argv[1])
models = sorted(folder.glob("*.onnx"))
assert len(models) >= 20, f"expected models in {folder}, found {len(models)}"

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
compared = 0
for path in models:
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (feed,) = session.get_inputs()
    names = [output.name for output in session.get_outputs()]
    results = session.run(names, {feed.name: numpy.load(folder / f"{path.stem}.x.npy")})
    for name, got in zip(names, results):
        wanted = numpy.load(folder / f"{path.stem}.{name}.npy")
        assert got.shape == wanted.shape, f"{path.name} {name}: {got.shape}, expected {wanted.shape}"
        if got.dtype in (numpy.bool_, numpy.int64):
            assert (got.astype(wanted.dtype) == wanted).all(), f"{path.name} {name}: different decisions"
        else:
            error = numpy.abs(got.astype(numpy.float64) - wanted) / numpy.maximum(1, numpy.abs(wanted))
            assert error.max() <= 1e-5, f"{path.name} {name}: off by {error.max()}"
        compared += 1
print(f"onnxruntime {onnxruntime.__version__}: {len(models)} models, {compared} outputs agree")
