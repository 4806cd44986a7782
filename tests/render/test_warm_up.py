"""After `warm_up` a picture of a head, and its gradients, need no kernel that is not there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fitme.render.backends.cpu.backend import CpuBackend
from fitme.render.warm_up import warm_up
from fitme.runtime.progress import SilentProgress

# in a process of its own, as what other tests drew stays in memory
SCRIPT = """
import json
from dataclasses import replace
import torch
from fitme.render.backends.cpu import compile
from fitme.render.warm_up import warm_up
from fitme.runtime.progress import SilentProgress

used = []
load = compile.KernelCache.load_overload
def listen(self, types, context):
    used.append(f"{self._name} {types}")
    return load(self, types, context)
compile.KernelCache.load_overload = listen

warm_up("cpu", SilentProgress())
before = len(used)

from fitme.avatar.model import head_mesh
from fitme.render import render
from tests.small_avatar import small_avatar
avatar = small_avatar()
view, light = avatar.photos[0].view, avatar.photos[0].light
vertices = avatar.neutral().reshape(1, -1, 3).requires_grad_()
out = render(head_mesh(avatar.head, vertices), avatar.materials, view.camera(), light, shadows=True)
torch.autograd.grad(out.color.sum(), vertices)
print(json.dumps([before, used[before:]]))
"""


def test_a_head_needs_nothing_more() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        capture_output=True,
        text=True,
        timeout=600,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr
    before, more = json.loads(done.stdout.splitlines()[-1])
    assert before > 30 and more == []


def test_it_draws_on_the_backend_of_the_device(monkeypatch) -> None:
    drawn: list[str] = []
    shade = CpuBackend.shade

    def listen(self, *arguments):
        drawn.append(self.name)
        return shade(self, *arguments)

    monkeypatch.setattr(CpuBackend, "shade", listen)
    warm_up("cpu", SilentProgress())
    assert set(drawn) == {"cpu"}
