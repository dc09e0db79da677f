"""Pillow's side of decode.bench.ts: one pass over the images named as arguments for every line on standard input.

Prints its version, then for every pass the milliseconds all images took: [decode, resize].
"""

import io
import json
import sys
import time

import PIL
from PIL import Image

SHORTER = 256

images = [open(path, "rb").read() for path in sys.argv[1:]]
print(json.dumps(PIL.__version__), flush=True)
for _ in sys.stdin:
    decode = resize = 0.0
    for encoded in images:
        start = time.perf_counter()
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        decoded = time.perf_counter()
        width, height = image.size
        if width <= height:
            size = (SHORTER, int(SHORTER * height / width))
        else:
            size = (int(SHORTER * width / height), SHORTER)
        image.resize(size, Image.BILINEAR)
        decode += decoded - start
        resize += time.perf_counter() - decoded
    print(json.dumps([decode * 1e3, resize * 1e3]), flush=True)
