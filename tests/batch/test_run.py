"""Batches of fake fits: what is done, what is done again, and what is only reported."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from fitme.batch import BatchSummary, Settings, run_batch
from fitme.batch.lock import locked
from fitme.batch.progress import BatchProgress
from fitme.runtime.errors import InputError, OutputError
from tests.batch.fake_fits import fake_fit, notes


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "out"


def run(folder: Path, root: Path, settings: Settings | None = None, **options) -> BatchSummary:
    return run_batch(folder, root, settings, **{"jobs": 1, "fit": fake_fit, **options})


def status(summary: BatchSummary) -> dict[str, str]:
    return {result.name: result.status for result in summary.results}


def fresh(summary: BatchSummary) -> set[str]:
    """Who was worked on in this run."""
    return {result.name for result in summary.results if not result.earlier}


def rows(root: Path) -> dict[str, dict[str, str]]:
    return {row["subject"]: row for row in csv.DictReader((root / "summary.csv").open())}


def tree(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes())
        for path in folder.rglob("*")
        if path.is_file()
    }


class TestOutcomes:
    def test_one_of_each(self, people, root: Path) -> None:
        folder = people(a="ok 90", b="refuse", c="break", d="kill", e="kill once", f="exit", g="ok")
        (folder / "nobody").mkdir()
        log = io.StringIO()
        summary = run(folder, root, jobs=2, progress=BatchProgress(stream=log))
        assert status(summary) == {
            "a": "done", "b": "failed", "c": "failed", "d": "failed", "e": "done", "f": "failed",
            "g": "done", "nobody": "failed",
        }  # fmt: skip
        reasons = {result.name: result.reason for result in summary.results}
        assert reasons["b"].endswith("no face in <b>this</b>; give another")
        assert "RuntimeError: the fit is broken" in reasons["c"]
        assert "SIGKILL" in reasons["d"] and "twice" in reasons["d"]
        assert "exit code 3" in reasons["f"] and "holds no photo" in reasons["nobody"]
        assert "Traceback" in (root / "_batch/logs/c.log").read_text()
        assert not (root / "_batch/logs/a.log").exists()
        starts = notes(folder, "starts.txt")
        assert {name: starts.count(name) for name in "abcdefg"} == {
            "a": 1, "b": 1, "c": 1, "d": 2, "e": 2, "f": 2, "g": 1,
        }  # fmt: skip
        assert sorted(p.name for p in root.iterdir()) == [
            "_batch", "a", "e", "g", "index.html", "summary.csv",
        ]  # fmt: skip
        assert sorted(p.name for p in (root / "_batch").iterdir()) == ["failed", "lock", "logs"]
        table = rows(root)
        assert table["a"]["score"] == "90.0" and table["a"]["out"] == "a"
        assert table["b"]["status"] == "failed" and table["b"]["reason"] == reasons["b"]
        assert "ETA" in log.getvalue() and "tried once more, alone" in log.getvalue()
        assert summary.failed == 5 and json.dumps(summary.to_dict())

        again = run(folder, root)  # failures are as settled as successes
        assert fresh(again) == set() and status(again) == status(summary)
        retried = run(folder, root, retry_failed=True)
        assert fresh(retried) == {"b", "c", "d", "f", "nobody"}

    def test_page(self, people, root: Path) -> None:
        run(people(good="ok 90", bad="ok 20", none="refuse"), root)
        page = (root / "index.html").read_text()
        assert page.index('data-name="none"') < page.index('data-name="bad"')
        assert page.index('data-name="bad"') < page.index('data-name="good"')
        assert "&lt;b&gt;this&lt;/b&gt;" in page and "<b>this" not in page
        assert "http" not in page.replace("http-equiv", "")  # nothing from a network


class TestResume:
    def test_nothing_to_do_touches_nothing(self, people, root: Path) -> None:
        folder = people(a="ok", b="ok")
        run(folder, root)
        before = {name: tree(root / name) for name in "ab"}
        again = run(folder, root)
        assert fresh(again) == set() and {name: tree(root / name) for name in "ab"} == before

    def test_changed_input(self, people, root: Path) -> None:
        folder = people(a="ok", b="ok", c="refuse")
        run(folder, root)
        people(a="ok changed 70", c="ok")
        summary = run(folder, root)
        assert fresh(summary) == {"a", "c"} and set(status(summary).values()) == {"done"}
        assert not list((root / "_batch/failed").iterdir())

    def test_a_failure_leaves_the_earlier_result(self, people, root: Path) -> None:
        folder = people(a="ok")
        run(folder, root)
        before = tree(root / "a")
        people(a="refuse")
        assert status(run(folder, root)) == {"a": "failed"} and tree(root / "a") == before
        people(a="ok")
        back = run(folder, root)
        assert status(back) == {"a": "done"} and fresh(back) == set()

    @pytest.mark.parametrize("change", [{"size": 512}, {"preset": "fast"}], ids=["size", "preset"])
    def test_changed_settings(self, change: dict, people, root: Path) -> None:
        folder = people(a="ok")
        run(folder, root)
        assert fresh(run(folder, root, Settings(**change))) == {"a"}

    def test_device_and_skip_bad_change_nothing(self, people, root: Path) -> None:
        folder = people(a="ok", b="refuse")
        run(folder, root)
        assert fresh(run(folder, root, Settings(device="cpu"))) == set()
        assert fresh(run(folder, root, Settings(skip_bad=True))) == {"b"}  # may pass now

    @pytest.mark.parametrize("damage", ["cut", "missing", "manifest", "all"])
    def test_damaged_output(self, damage: str, people, root: Path) -> None:
        folder = people(a="ok", b="ok")
        run(folder, root)
        before = tree(root / "b")
        glb = root / "a" / "avatar.glb"
        if damage == "cut":
            glb.write_bytes(glb.read_bytes()[:-1])
        elif damage == "missing":
            (root / "a" / "fit.json").unlink()
        elif damage == "manifest":
            (root / "a" / "batch.json").write_text("{")
        else:
            for path in (glb, root / "a" / "fit.json", root / "a" / "batch.json"):
                path.unlink()
            (root / "a" / "textures" / "normal.png").unlink()
        summary = run(folder, root)
        assert fresh(summary) == {"a"} and status(summary) == {"a": "done", "b": "done"}
        assert len(glb.read_bytes()) == 2000 and tree(root / "b") == before

    def test_a_stranger_in_the_way_is_not_deleted(self, people, root: Path) -> None:
        folder = people(a="ok")
        run(folder, root)
        (root / "a" / "diary.txt").write_text("precious")
        people(a="ok 60")
        summary = run(folder, root)
        assert status(summary) == {"a": "failed"} and "diary.txt" in summary.results[0].reason
        (root / "a" / "diary.txt").unlink()
        assert status(run(folder, root)) == {"a": "done"}  # no need of --retry-failed


class TestRefusals:
    def test_root_with_other_files(self, people, root: Path) -> None:
        root.mkdir()
        (root / "diary.txt").touch()
        with pytest.raises(OutputError, match="other files"):
            run(people(a="ok"), root)
        assert [p.name for p in root.iterdir()] == ["diary.txt"]

    @pytest.mark.parametrize(
        ("options", "words"),
        [
            ({"executor": "slurm"}, "unknown executor"),
            ({"address": "auto"}, "--address"),
            ({"jobs": 0}, "--jobs 0"),
            ({"settings": Settings(preset="slow")}, "unknown preset"),
            ({"settings": Settings(weights=Path("none.safetensors"))}, "none.safetensors"),
        ],
    )
    def test_usage(self, options: dict, words: str, people, root: Path) -> None:
        with pytest.raises(InputError, match=words):
            run(people(a="ok"), root, **options)
        assert not root.exists()

    def test_two_at_once(self, people, root: Path) -> None:
        folder = people(a="ok")
        run(folder, root)
        with (
            locked(root / "_batch" / "lock", root),
            pytest.raises(OutputError, match=r"in use by another batch \(process \d+ on"),
        ):
            run(folder, root)
        assert fresh(run(folder, root)) == set()  # the lock is free again


def test_settings_identity_names_the_weights() -> None:
    plain = Settings().identity()
    assert plain != replace(Settings(), models={"head": "1"}).identity()
    assert plain == replace(Settings(), device="cuda", skip_bad=True).identity()
