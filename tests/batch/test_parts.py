"""Quality, resources and the page, each by itself."""

from __future__ import annotations

import csv
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
import torch

from fitme.avatar.run_info import RunInfo
from fitme.batch.index import index_html
from fitme.batch.progress import duration
from fitme.batch.quality import avatar_quality, score
from fitme.batch.table import summary_csv
from fitme.batch.task import Result
from fitme.fit.judge.likeness import compare, ssim
from fitme.image.color import linear_to_srgb
from fitme.image.photo import Photo
from fitme.image.png import encode_png
from fitme.report.views import view_picture
from fitme.runtime.resources import GIB, default_jobs, free_memory, usable_cores, worker_memory
from tests.small_avatar import small_avatar

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

    @pytest.mark.parametrize(
        ("kind", "severity", "share", "count"),
        [("shape", "warning", 0.25, 1), ("gray", "warning", 1.0, 1), ("faces", "note", 1.0, 0)],
    )
    def test_a_head_that_the_fit_doubts(
        self, tmp_path: Path, kind: str, severity: str, share: float, count: int
    ) -> None:
        avatar = small_avatar()
        picture = encode_png(view_picture(avatar, photo=0))
        for name in ("render_00.png", "photo.png"):
            (tmp_path / name).write_bytes(picture)
        seen = replace(avatar.photos[0], path=tmp_path / "photo.png")
        note = {"kind": kind, "severity": severity, "text": "x", "photo": 0}
        plain = replace(avatar, photos=(seen,))
        noted = replace(plain, run=RunInfo(notes=[note]))
        before, after = (avatar_quality(each, tmp_path) for each in (plain, noted))
        assert before["score"] > 50 and before["warnings"] == 0
        assert after["score"] == pytest.approx(share * before["score"], abs=0.02)
        assert after["warnings"] == count
        table = summary_csv([Result("a", "a", "done", quality=after)]).decode()
        row = next(csv.DictReader(table.splitlines()))
        assert float(row["warnings"]) == count


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
