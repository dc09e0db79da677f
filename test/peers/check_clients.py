"""tritonclient reads metadata and readiness and gets scores over JSON and binary tensors from our server."""
import json
import subprocess

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

server = subprocess.Popen(
    ["node", "serve-embeddings.ts"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
expected = json.loads(server.stdout.readline())
features = np.array(expected["features"], dtype=np.float32).reshape(-1, expected["width"])
scores = np.array(expected["scores"])

client = triton.InferenceServerClient(f"127.0.0.1:{expected['port']}")
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("birds")
assert client.is_model_ready("birds", expected["version"])
assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
metadata = client.get_model_metadata("birds")
assert metadata["inputs"][0] == {"name": "features", "datatype": "FP32", "shape": [-1, expected["width"]]}, metadata
assert metadata["versions"] == [expected["version"]]

for is_binary_in in (False, True):
    for is_binary_out in (False, True):
        tensor = triton.InferInput("features", features.shape, "FP32")
        tensor.set_data_from_numpy(features, binary_data=is_binary_in)
        outputs = [
            triton.InferRequestedOutput(name, binary_data=is_binary_out)
            for name in ("score", "is_ood", "predicted_class", "p_value", "cosine")
        ]
        result = client.infer("birds", [tensor], outputs=outputs, request_id="7")
        got = result.as_numpy("score")
        assert got.dtype == np.float64 and np.abs(got - scores).max() <= 1e-5 * np.abs(scores).max()
        assert (result.as_numpy("predicted_class") == expected["predicted"]).all()
        assert (result.as_numpy("is_ood") == (scores < expected["gamma"])).all()
        assert result.get_response()["model_version"] == expected["version"]
        assert result.get_response()["id"] == "7"

bad = triton.InferInput("features", [1, 3], "FP32")
bad.set_data_from_numpy(np.zeros((1, 3), np.float32))
try:
    client.infer("birds", [bad])
    raise AssertionError("a wrong width was taken")
except InferenceServerException as error:
    assert "expected 8 numbers" in str(error), error

client.close()
server.stdin.close()
assert server.wait() == 0, "the server met a bug"
print("tritonclient: metadata, readiness, scores over JSON and binary tensors, errors")
