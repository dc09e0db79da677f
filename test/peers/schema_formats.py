"""For check_schema.py: how to make what /openapi.json can only name, samples in base64 and in files, of $HIMPLOS_WIDTH."""
import base64
import io
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
