"""Random weights in files of the published formats, and a cache and a registry that know them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fitme.learned import registry


def squeezenet_file(path: Path) -> None:
    """As torchvision's: all tensors of the classifier by name."""
    import torchvision

    torch.manual_seed(1)
    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), path)


def facenet_file(path: Path) -> None:
    """As facenet-pytorch's: with the classifier over the people of the training set."""
    from facenet_pytorch import InceptionResnetV1

    torch.manual_seed(2)
    network = InceptionResnetV1(classify=True, num_classes=8)
    for module in network.modules():  # untrained, all faces come out the same
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_var.uniform_(0.002, 0.02)
            module.running_mean.normal_(0, 0.1)
    torch.save(network.state_dict(), path)


def arcface_file(path: Path) -> None:
    """An ONNX network with the names, shapes and normalisation of insightface's."""
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    draw = np.random.default_rng(3)

    def constant(name: str, *shape: int) -> onnx.TensorProto:
        values = draw.standard_normal(shape).astype(np.float32) / np.sqrt(np.prod(shape[1:]))
        return numpy_helper.from_array(values.astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["input.1", "w1"], ["a"], strides=[8, 8]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Flatten", ["b"], ["c"]),
            helper.make_node("Gemm", ["c", "w2"], ["683"], transB=1),
        ],
        "arcface",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, ["None", 3, 112, 112])],
        [helper.make_tensor_value_info("683", TensorProto.FLOAT, ["None", 512])],
        [constant("w1", 16, 3, 8, 8), constant("w2", 512, 16 * 14 * 14)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)])
    model.ir_version = 6
    onnx.save(model, str(path))


def dlib_bytes(seed: int = 4) -> bytes:
    """As dlib writes its face network, with small random weights."""
    import numpy as np

    draw = np.random.default_rng(seed)
    out = bytearray()

    def integers(*values: int) -> None:
        for value in values:
            raw = abs(value).to_bytes(max(1, (abs(value).bit_length() + 7) // 8), "little")
            out.extend(bytes([len(raw) | (0x80 if value < 0 else 0)]) + raw)

    def text(value: str) -> None:
        integers(len(value))
        out.extend(value.encode())

    def tensor(*sizes: int, spread: float = 0.0, middle: float = 0.0) -> None:
        integers(2, *sizes)
        out.extend((draw.standard_normal(sizes) * spread + middle).astype("<f4").tobytes())

    def end(beside_input: bool = False) -> None:
        out.extend(b"110")
        for _ in range(3):
            tensor(0, 0, 0, 0)
        if beside_input:
            integers(1)

    def part(*sizes: int) -> None:
        integers(1, *sizes)

    def plain(name: str, *fields: int) -> None:
        text(name)
        integers(*fields)
        end()

    def convolution(taken: int, given: int, side: int, stride: int, padding: int) -> None:
        text("con_4")
        count = taken * side * side
        tensor(given * (count + 1), 1, 1, 1, spread=count**-0.5)
        integers(given, side, side, stride, stride, padding, padding)
        part(given, taken, side, side)
        part(1, given, 1, 1)
        integers(*[16, -4] * 4)
        end(beside_input=taken == 3)
        text("affine_")
        tensor(2 * given, 1, 1, 1, spread=0.3, middle=0.7)
        part(1, given, 1, 1)
        part(1, given, 1, 1)
        integers(0)
        end()

    integers(1)
    text("loss_metric_2")
    integers(10737418, -28, 10066330, -24, *[2, 1] * 3, 3)
    text("input_rgb_image_sized")
    integers(8046626, -16, 7667777, -16, 6835273, -16, 150, 150)
    convolution(3, 32, 7, 2, 0)
    plain("relu_")
    plain("max_pool_2", 3, 3, 2, 2, 0, 0)
    before = 32
    for width, count in ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1)):
        for index in range(count):
            halves = index == 0 and (width != 32)
            convolution(before, width, 3, 2 if halves else 1, 0 if halves else 1)
            plain("relu_")
            convolution(width, width, 3, 1, 1)
            if halves:
                plain("avg_pool_2", 2, 2, 2, 2, 0, 0)
            plain("add_prev_")
            plain("relu_")
            before = width
    plain("avg_pool_2", 0, 0, 1, 1, 0, 0)
    text("fc_2")
    integers(128, 256)
    tensor(256, 128, 1, 1, spread=0.05)
    part(256, 128, 1, 1)
    part(0, 0, 0, 0)
    integers(1, *[16, -4] * 4)
    end()
    return bytes(out)


def install(
    monkeypatch: pytest.MonkeyPatch, cache: Path, name: str, source: Path | None = None
) -> registry.LearnedModel:
    """Let the model of `name` be the file `source`, in the cache; nothing is there without one."""
    model = registry.find_model(name)
    monkeypatch.setenv("FITME_CACHE", str(cache))
    if source is not None:
        data = source.read_bytes()
        model = replace(
            model, sha256=hashlib.sha256(data).hexdigest(), size=len(data), download=len(data)
        )
        others = (m for m in registry.MODELS if m.name != name)
        monkeypatch.setattr(registry, "MODELS", (model, *others))
        (cache / "models").mkdir(parents=True, exist_ok=True)
        (cache / "models" / model.file).write_bytes(data)
    return model
