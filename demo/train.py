"""Trains the demo's classifier and writes it as ONNX.

    node demo/training-pictures.ts FOLDER
    python3 demo/train.py FOLDER demo/model.onnx

A small convolutional network: four 3x3 convolutions with batch norm and ReLU, global average pooling to 96
features, one linear head. Runs on PyTorch 1.13 (Debian's python3-torch and python3-onnx) and later ones, on the
CPU. The seed fixes every random choice; other versions or processors round differently and give slightly other
weights.
"""

import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn

SIDE = 48
MEAN = 0.5
STD = 0.25
EPOCHS = 14
BATCH = 64
LEARNING_RATE = 3e-3
WEIGHT_DECAY = 1e-3
SEED = 7


def load(folder: Path, split: str, classes: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures as float32 [N, 3, SIDE, SIDE], normalised; their classes as int64 [N]."""
    pixels = np.fromfile(folder / f"{split}.u8", dtype=np.uint8).reshape(-1, SIDE, SIDE, 3)
    images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float().div_(255).sub_(MEAN).div_(STD)
    labels = torch.arange(classes).repeat_interleave(len(pixels) // classes)
    return images.contiguous(), labels


def block(channels_in: int, channels_out: int, pool: nn.Module) -> nn.Sequential:
    convolution = nn.Conv2d(channels_in, channels_out, kernel_size=3, padding=1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out), nn.ReLU(), pool)


def build(classes: int) -> nn.Sequential:
    return nn.Sequential(
        block(3, 24, nn.MaxPool2d(2)),
        block(24, 48, nn.MaxPool2d(2)),
        block(48, 64, nn.MaxPool2d(2)),
        block(64, 96, nn.AdaptiveAvgPool2d(1)),
        nn.Flatten(),
        nn.Linear(96, classes),
    )


def train(network: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> None:
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
    network.train()
    for epoch in range(EPOCHS):
        start = time.monotonic()
        total = 0.0
        order = torch.randperm(len(images))
        for step in range(len(images) // BATCH):
            chosen = order[step * BATCH : (step + 1) * BATCH]
            loss = nn.functional.cross_entropy(network(images[chosen]), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        mean_loss = total / (len(images) // BATCH)
        print(f"epoch {epoch + 1}: loss {mean_loss:.4f}, {time.monotonic() - start:.0f} s", flush=True)


def accuracy(network: nn.Sequential, images: torch.Tensor, labels: torch.Tensor) -> float:
    network.eval()
    with torch.no_grad():
        predicted = torch.cat([network(batch).argmax(1) for batch in images.split(256)])
    return (predicted == labels).float().mean().item()


def export(network: nn.Sequential, path: Path) -> None:
    network.eval()
    torch.onnx.export(
        network,
        torch.zeros(1, 3, SIDE, SIDE),
        str(path),
        opset_version=13,
        input_names=["input"],
        output_names=["logits"],
        dynamic_axes={"input": {0: "batch"}, "logits": {0: "batch"}},
    )


def main() -> None:
    folder, out = Path(sys.argv[1]), Path(sys.argv[2])
    torch.manual_seed(SEED)
    torch.set_num_threads(1)  # so that sums do not depend on the number of processors
    classes = len((folder / "classes.txt").read_text().split())
    network = build(classes)
    train(network, *load(folder, "train", classes))
    print(f"accuracy on pictures it has not seen: {accuracy(network, *load(folder, 'validation', classes)):.2%}")
    export(network, out)
    print(f"{out}: {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
