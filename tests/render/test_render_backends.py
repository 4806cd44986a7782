"""The same scene on both backends: same picture, same gradients."""

import pytest
import torch

from tests.render.test_render import draw, leaves_of, weighted


def reason_to_skip() -> str:
    if not torch.cuda.is_available():
        return "the nvdiffrast backend needs a GPU and this machine has none"
    try:
        import nvdiffrast  # noqa: F401
    except ImportError:
        return "nvdiffrast is not installed (it is optional and not on the package index)"
    return ""


@pytest.mark.skipif(bool(reason_to_skip()), reason=reason_to_skip() or "runs")
def test_backends_agree() -> None:
    results = []
    for device in ("cpu", "cuda"):
        leaves = {k: v.to(device).requires_grad_() for k, v in leaves_of(torch.float32).items()}
        out = draw(leaves)
        grads = torch.autograd.grad(weighted(out), list(leaves.values()))
        results.append((out.color.cpu(), out.alpha.cpu(), dict(zip(leaves, grads, strict=True))))
    (color, alpha, grads), (other, other_alpha, other_grads) = results
    same = (alpha == 1) & (other_alpha == 1)
    assert (alpha - other_alpha).abs().mean() < 2e-3  # silhouettes with subpixel triangles differ
    assert ((color - other).abs() * same).max() < 5e-3
    for name, grad in grads.items():
        cosine = torch.nn.functional.cosine_similarity(
            grad.flatten(), other_grads[name].cpu().flatten(), dim=0
        )
        assert cosine > 0.99, name
