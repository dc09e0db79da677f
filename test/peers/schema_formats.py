"""For check_schema.py: what /openapi.json can only name, samples of $HIMPLOS_WIDTH in base64 and in files, and what it cannot say of tensors."""
import base64
import io
import itertools
import os

import numpy as np
import safetensors.numpy
import schemathesis
from hypothesis import strategies

WIDTH = int(os.environ["HIMPLOS_WIDTH"])

features = strategies.floats(width=32, allow_nan=False, allow_infinity=False)
samples = strategies.lists(
    strategies.lists(features, min_size=WIDTH, max_size=WIDTH), min_size=1, max_size=5
).map(lambda rows: np.array(rows, dtype="<f4"))


def to_npy(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


files = samples.map(to_npy)
schemathesis.openapi.format("features-base64", samples.map(lambda array: base64.b64encode(array.tobytes()).decode()))
schemathesis.openapi.media_type("application/octet-stream", samples.map(lambda array: array.tobytes()) | files)
schemathesis.openapi.media_type("application/x-npy", files)
schemathesis.openapi.media_type(
    "application/x-safetensors", samples.map(lambda array: safetensors.numpy.save({"features": array}))
)


@schemathesis.hook.apply_to(path="/v2/models/{name}/infer")
def map_case(context, case):
    """What a schema cannot say: N × width numbers for a shape [N, width], width for [width], and no output twice."""
    if not case.meta.generation.mode.is_positive:
        return case
    tensor = case.body["inputs"][0]
    if len(tensor["shape"]) == 1:
        rows = 1
    else:
        # Large bodies are other tests' business.
        rows = tensor["shape"][0] = min(int(tensor["shape"][0]), 5)
    length = rows if isinstance(tensor["data"][0], list) else rows * WIDTH
    tensor["data"] = list(itertools.islice(itertools.cycle(tensor["data"]), length))
    if "outputs" in case.body:
        case.body["outputs"] = list({output["name"]: output for output in case.body["outputs"]}.values())
    return case
