"""Quality, resources and the page, each by itself."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.batch.index import index_html
from fitme.batch.progress import duration
from fitme.batch.quality import compare, score, ssim
from fitme.batch.task import Result
from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.runtime.resources import GIB, default_jobs, free_memory, usable_cores, worker_memory

OUTLINE = np.array([[20.0, 10.0], [80.0, 10.0], [80.0, 90.0], [20.0, 90.0]])


class TestQuality:
    @pytest.fixture
    def photo(self) -> Photo:
        draw = torch.Generator().manual_seed(1)
        return Photo(Path("x.png"), torch.rand(100, 100, 3, generator=draw))

    def render(self, photo: Photo) -> torch.Tensor:
        return torch.cat([linear_to_srgb(photo.pixels), torch.ones(100, 100, 1)], -1)

    def test_the_photo_itself(self, photo: Photo) -> None:
        color, structure = compare(photo, self.render(photo), OUTLINE)
        assert color == pytest.approx(0, abs=1e-6) and structure == pytest.approx(1, abs=1e-5)

    def test_only_the_face_counts(self, photo: Photo) -> None:
        render = self.render(photo)
        render[:, :15, :3] = 0
        render[:, 15:18, 3] = 0
        assert compare(photo, render, OUTLINE)[0] == pytest.approx(0, abs=1e-6)
        render[40:60, 40:60, :3] += 0.5
        assert compare(photo, render, OUTLINE)[0] == pytest.approx(0.5 * 400 / 4800, rel=0.05)

    def test_a_wrong_texture_shows_in_the_structure(self, photo: Photo) -> None:
        assert compare(photo, self.render(photo).flip(0), OUTLINE)[1] < 0.2

    def test_outside_of_the_picture(self, photo: Photo) -> None:
        assert compare(photo, self.render(photo), OUTLINE + 500) == (1.0, 0.0)

    def test_ssim_is_that_of_scikit_image(self) -> None:
        metrics = pytest.importorskip("skimage.metrics")
        one, other = np.random.default_rng(0).random((2, 40, 50)).astype(np.float32)
        _, wanted = metrics.structural_similarity(
            one, other, data_range=1, gaussian_weights=True, sigma=1.5, full=True,
            use_sample_covariance=False,
        )  # fmt: skip
        ours = ssim(torch.from_numpy(one)[None, None], torch.from_numpy(other)[None, None])
        inside = (slice(5, -5), slice(5, -5))
        np.testing.assert_allclose(ours[0, 0].numpy()[inside], wanted[inside], atol=2e-3)

    def test_score_falls_with_each_part(self) -> None:
        assert score(0, 0, 1) == 100
        best = score(0.013, 0.05, 0.75)
        assert 60 < best < 90
        for worse in ((0.03, 0.05, 0.75), (0.013, 0.1, 0.75), (0.013, 0.05, 0.4)):
            assert score(*worse) < best - 10


class TestJobs:
    def test_cores_and_memory(self) -> None:
        assert default_jobs(1024, "cpu", cores=16, memory=64 * GIB) == 16
        assert default_jobs(1024, "cpu", cores=16, memory=10 * GIB) == 3
        assert default_jobs(4096, "cpu", cores=16, memory=10 * GIB) == 1
        assert default_jobs(64, "cuda", cores=16, memory=64 * GIB) == 1
        assert worker_memory(2048) > worker_memory(1024)

    def test_this_machine(self) -> None:
        assert usable_cores() >= 1 and free_memory() > 1e8


def test_duration() -> None:
    assert [duration(s) for s in (4.2, 600, 12_000)] == ["4 s", "10 min", "3 h 20 min"]


class TestPage:
    def test_a_thousand_and_odd_names(self, tmp_path: Path) -> None:
        odd = "a\"><script>alert(1)</script>&'#?%"
        results = [
            Result(odd, "a_b #%", "failed", "<img src=x onerror=alert(1)>"),
            *(Result(f"s{i}", f"s{i}", "done", quality={"score": i / 10.0}) for i in range(999)),
            Result("late", "late", "pending"),
        ]
        (tmp_path / "_batch" / "logs").mkdir(parents=True)
        (tmp_path / "_batch" / "logs" / "a_b #%.log").touch()
        page = index_html(results, tmp_path).decode()
        assert len(page) < 700_000
        reader = Reader()
        reader.feed(page)
        assert len(reader.cards) == 1001 and reader.scripts == 1 and not reader.handlers
        assert [card["data-name"] for card in reader.cards[:2]] == [odd, "s0"]
        assert reader.cards[-1]["data-name"] == "late"
        assert "_batch/logs/a_b%20%23%25.log" in reader.links


class Reader(HTMLParser):
    """Collects what a browser would see of the cards."""

    def __init__(self) -> None:
        super().__init__()
        self.cards: list[dict] = []
        self.links: list[str] = []
        self.scripts, self.handlers = 0, []

    def handle_starttag(self, tag: str, attrs: list) -> None:
        self.scripts += tag == "script"
        self.handlers += [name for name, _ in attrs if name.startswith("on")]
        if tag == "article":
            self.cards.append(dict(attrs))
        if tag == "a":
            self.links.append(dict(attrs)["href"])
