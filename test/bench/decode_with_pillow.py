"""Pillow's side of decode.ts: for every line on standard input, one pass over the images named as arguments.

Prints one JSON line a pass: [[decode ms, resize ms], ...]. The first line names the version.
"""

import io
import json
import sys
import time

import PIL
from PIL import Image

SHORTER = 256


def measure(encoded: bytes) -> list[float]:
    start = time.perf_counter()
    image = Image.open(io.BytesIO(encoded)).convert("RGB")
    decoded = time.perf_counter()
    width, height = image.size
    if width <= height:
        size = (SHORTER, int(SHORTER * height / width))
    else:
        size = (int(SHORTER * width / height), SHORTER)
    image.resize(size, Image.BILINEAR)
    resized = time.perf_counter()
    return [(decoded - start) * 1e3, (resized - decoded) * 1e3]


images = [open(path, "rb").read() for path in sys.argv[1:]]
print(json.dumps(PIL.__version__), flush=True)
for _ in sys.stdin:
    print(json.dumps([measure(image) for image in images]), flush=True)
