"""A detector is open to others: the safetensors library reads every tensor and the metadata of its files, and
onnxruntime with Pillow and numpy decides on pictures as `himplos score` did, from detector.onnx alone."""

import hashlib
import json
import pathlib
import sys

import numpy
import onnxruntime
from PIL import Image
from safetensors import safe_open

folder = pathlib.Path(sys.argv[1])
artifact = folder / "detector"


def read_safetensors(name):
    """Every tensor by name and the metadata, equal to what himplos reads itself."""
    with safe_open(artifact / f"{name}.safetensors", framework="numpy") as file:
        metadata = file.metadata()
        tensors = {key: file.get_tensor(key) for key in file.keys()}
    written = folder / "expected" / name
    assert metadata == json.loads((written / "metadata.json").read_text()), f"{name}: metadata"
    expected = {path.stem: numpy.load(path) for path in written.glob("*.npy")}
    assert set(tensors) == set(expected), f"{name}: {sorted(tensors)}, expected {sorted(expected)}"
    for key, wanted in expected.items():
        got = tensors[key]
        assert got.dtype == wanted.dtype and got.shape == wanted.shape, f"{name} {key}: {got.dtype} {got.shape}"
        assert got.tobytes() == wanted.tobytes(), f"{name} {key}: other values"
    return tensors, metadata


def digest(*parts):
    return hashlib.sha256(b"".join(parts)).hexdigest()


tensors, metadata = read_safetensors("detector")
document = json.loads(metadata["himplos"])
assert digest(metadata["himplos"].encode()) == metadata["himplos_sha256"]
head = (tensors["head.weight"].tobytes(), tensors["head.bias"].tobytes())
assert digest(*head) == document["headFingerprint"]
scores, threshold = tensors["calibration.scores"], document["threshold"]
assert (numpy.diff(scores) >= 0).all() and len(scores) == threshold["calibrationScores"]
assert scores[threshold["index"] - 2] <= threshold["gamma"] <= scores[threshold["index"] - 1]

evaluation, metadata = read_safetensors("evaluation")
sets = json.loads(metadata["himplos_evaluation"])
assert len(evaluation["id.features"]) == len(evaluation["id.labels"]) == sets["idRows"] > 0
assert [entry["name"] for entry in sets["ood"]] == ["noise"] and len(evaluation["ood.0.features"]) > 0

manifest = json.loads((artifact / "manifest.json").read_text())
for entry in manifest["files"]:
    content = (artifact / entry["name"]).read_bytes()
    assert (len(content), digest(content)) == (entry["bytes"], entry["sha256"]), entry["name"]

session = onnxruntime.InferenceSession(str(artifact / "detector.onnx"), providers=["CPUExecutionProvider"])
(feed,) = session.get_inputs()
names = [output.name for output in session.get_outputs()]
properties = session.get_modelmeta().custom_metadata_map
assert properties["himplos.version"] == manifest["version"]
assert properties["himplos.method"] == document["method"]
assert properties["himplos.direction"] == "higher-is-id"
classes = json.loads(properties["himplos.class_names"])
preprocessing = json.loads(properties["himplos.preprocessing"])
assert preprocessing["resize"] is None and preprocessing["crop"] is None  # the pictures are of the right size
mean, std = (numpy.array(preprocessing[key], numpy.float32) for key in ("mean", "std"))
gamma = float(properties["himplos.gamma"])


def prepare(path):
    with Image.open(path) as image:
        pixels = numpy.asarray(image.convert("RGB"), numpy.float32)
    return ((pixels / 255 - mean) / std).transpose(2, 0, 1)


compared, decisions = 0, set()
for name in ("test", "unknown"):
    answers = [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()]
    images = numpy.stack([prepare(folder / name / answer["name"]) for answer in answers])
    outputs = dict(zip(names, session.run(names, {feed.name: images.astype(numpy.float32)})))
    for row, answer in enumerate(answers):
        score = outputs["score"][row]
        assert abs(score - answer["score"]) <= 1e-5 * max(1, abs(answer["score"])), f"{answer}: {score}"
        assert bool(outputs["is_ood"][row]) == (answer["decision"] == "ood"), f"{answer}: {score}"
        assert score >= gamma or answer["decision"] == "ood", f"{answer}: {score}"
        assert classes[outputs["predicted_class"][row]] == answer["class"], answer
        assert abs(outputs["cosine"][row] - answer["cosine"]) <= 1e-5, answer
        decisions.add(answer["decision"])
        compared += 1
assert compared > 80 and decisions == {"id", "ood"}
print(f"{len(tensors) + len(evaluation)} tensors equal; {compared} pictures decided alike")
