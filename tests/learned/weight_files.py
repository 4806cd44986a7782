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
