"""What docs/ shows works: its examples run, its links and commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks.scenes import head, skin
from tests.packaging.modules import REPOSITORY
from tests.small_avatar import small_avatar

PAGES = [*sorted((REPOSITORY / "docs").glob("*.md")), *sorted(REPOSITORY.glob("*.md"))]


@pytest.fixture(scope="module")
def sections() -> dict[str, str]:
    """The Python of docs/extending.md by the title above it."""
    text = (REPOSITORY / "docs" / "extending.md").read_text()
    parts = re.split(r"^## (.+)$", text, flags=re.MULTILINE)[1:]
    found = {
        title: "\n".join(re.findall(r"```python\n(.*?)```", body, re.DOTALL))
        for title, body in zip(parts[::2], parts[1::2], strict=True)
    }
    assert len(found) == 5 and all(found.values())
    return found


def run(*sources: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "extending"}
    for source in sources:
        exec(compile(source, "docs/extending.md", "exec", dont_inherit=True), names)
    return names


class TestExtending:
    def test_loss(self, sections: dict[str, str]) -> None:
        term = run(sections["A new loss"])["Edges"](0.5)
        target, weight = torch.rand(2, 8, 8, 3), torch.ones(2, 8, 8)
        step = lambda rendered: SimpleNamespace(  # noqa: E731
            rendered=rendered, target=target, weight=weight
        )
        assert float(term(step(target + 0.25))) < 1e-6  # brightness alone is no edge
        moved = target.roll(1, 2).requires_grad_()
        loss = term(step(moved))
        loss.backward()
        assert loss.ndim == 0 and float(loss.detach()) > 0.1 and float(moved.grad.abs().sum()) > 0
        assert (term.name, term.weight) == ("edges", 0.5)

    def test_stage_is_one(self, sections: dict[str, str]) -> None:
        import inspect

        from fitme.fit.stages.base import Stage

        made = run(sections["A new loss"], sections["A new stage"])["EdgeStage"]
        wanted, given = inspect.signature(Stage.run), inspect.signature(made.run)
        assert list(wanted.parameters) == list(given.parameters)
        assert made().name == "edges"

    def test_backend(self, sections: dict[str, str]) -> None:
        from fitme.render import render
        from fitme.render.camera import perspective
        from fitme.render.light import Light

        backend = run(sections["A new render backend"])["TorchStages"]()
        camera = perspective(torch.tensor([[0.03, 0.02, 0.6]]), torch.zeros(1, 3), 21.0, 48, 48)
        scene = head(12, 16), [skin(32)], camera, Light.preset("studio")
        mine, cpu = render(*scene, backend=backend), render(*scene)
        assert float(cpu.alpha.mean()) > 0.2
        torch.testing.assert_close(mine.color, cpu.color, atol=1e-4, rtol=1e-3)

    def test_export_preset(self, sections: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
        from fitme.export import presets

        monkeypatch.setitem(presets.PRESETS, "gloss", None)  # goes again with the test
        run(sections["A new export preset"])
        options = presets.ExportOptions(preset="gloss", map_size=32)
        files = presets.export_files(small_avatar(), options)
        assert {"avatar.glb", "textures/diffuse_albedo.png", "textures/gloss.png"} <= set(files)

    def test_head_model(self, sections: dict[str, str], tmp_path: Path) -> None:
        import fitme
        from fitme.head.model import save_head

        ball = run(sections["A new head model"])["read_ball"](tmp_path / "ball")
        save_head(ball, tmp_path / "ball.safetensors")
        again = fitme.load_head(tmp_path / "ball.safetensors")
        radius = again.shape(torch.ones(1, 1))[0].norm(dim=-1).numpy()
        np.testing.assert_allclose(radius, 0.11 * 1.05, rtol=1e-4)  # metres
        corners = again.mean[again.triangles]
        normal = torch.linalg.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert bool(((normal * corners.mean(1)).sum(-1) > 0).all())  # outwards


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_named_paths_exist(page: Path) -> None:
    """`fitme/...` and the like in backquotes are there, in tables of folders too."""
    folders = "fitme|models|cli|tests|benchmarks|examples|docs"
    for name in re.findall(rf"`((?:{folders})/[\w./-]*)`", page.read_text()):
        if page.name != "CHANGELOG.md":
            assert (REPOSITORY / name).exists(), name


def test_every_command_is_in_the_table() -> None:
    """docs/cli.md and README name what `fitme --help` knows, and nothing else."""
    from fitme.cli.main import app

    groups = {g.name: g.typer_instance for g in app.registered_groups}
    commands = {c.name or c.callback.__name__ for c in app.registered_commands} | set(groups)
    for page in ("README.md", "docs/cli.md"):
        rows = re.findall(r"^\| (`fitme .*?) \|", (REPOSITORY / page).read_text(), re.MULTILINE)
        named = set(re.findall(r"`fitme (\w+)", "\n".join(rows)))
        assert named == commands, page
