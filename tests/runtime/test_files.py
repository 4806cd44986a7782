from __future__ import annotations

import json
import os
import platform
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from fitme.runtime.errors import OutputError
from fitme.runtime.files import (
    atomic_directory,
    atomic_write_bytes,
    check_output_dir,
    write_json,
)
from fitme.runtime.plain_json import json_bytes
from fitme.runtime.temporaries import clear_staging

HOST = re.sub(r"[^\w.]", "_", platform.node())


def names(directory):
    return sorted(entry.name for entry in directory.iterdir())


def make_result(directory, content="1"):
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "fit.json").write_text(content)
    (directory / "avatar.glb").write_bytes(b"glTF")
    (directory / "textures").mkdir(exist_ok=True)
    (directory / "textures" / "normal.png").write_bytes(b"png")
    return directory


def refusal(path, overwrite=False):
    """The message of the refusal, which names the path and is one line."""
    with pytest.raises(OutputError) as caught:
        check_output_dir(path, overwrite)
    with pytest.raises(OutputError) as again, atomic_directory(path, overwrite):
        pytest.fail("the block must not run")
    message = str(caught.value)
    assert str(again.value) == message
    assert "\n" not in message and str(path) in message
    return message


class TestCheck:
    def test_new_empty_and_nested_are_fine(self, tmp_path):
        (tmp_path / "empty").mkdir()
        for path in (tmp_path / "new", tmp_path / "empty", tmp_path / "a" / "b" / "c"):
            check_output_dir(path)
            check_output_dir(str(path), overwrite=True)
        assert names(tmp_path) == ["empty"]

    def test_earlier_result_needs_overwrite(self, tmp_path):
        path = make_result(tmp_path / "out")
        assert "--overwrite" in refusal(path)
        check_output_dir(path, overwrite=True)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_other_files_are_never_deleted(self, tmp_path, overwrite):
        path = tmp_path / "holiday"
        path.mkdir()
        (path / "beach.jpg").write_text("x")
        assert "beach.jpg" in refusal(path, overwrite)
        assert (path / "beach.jpg").exists()

    @pytest.mark.parametrize(
        "foreign", ["notes.txt", "textures/mine.psd.d/a", "render_00.png.d/x", "photos/fit.json"]
    )
    def test_other_files_beside_a_result(self, tmp_path, foreign):
        path = make_result(tmp_path / "out")
        (path / foreign).parent.mkdir(parents=True, exist_ok=True)
        (path / foreign).write_text("x")
        assert foreign in refusal(path, overwrite=True)

    def test_what_the_system_strews_about_is_no_foreign_file(self, tmp_path):
        path = make_result(tmp_path / "out")
        (path / ".DS_Store").write_text("x")
        check_output_dir(path, overwrite=True)

    @pytest.mark.parametrize("overwrite", [False, True])
    def test_a_file(self, tmp_path, overwrite):
        path = tmp_path / "out"
        path.write_text("x")
        assert "is a file" in refusal(path, overwrite)
        assert path.read_text() == "x"

    def test_below_a_file(self, tmp_path):
        (tmp_path / "a").write_text("x")
        assert "which is a file" in refusal(tmp_path / "a" / "b" / "out")

    def test_message_stays_one_line(self, tmp_path):
        path = tmp_path / "two\nlines"
        path.mkdir()
        (path / "a\nb").write_text("x")
        with pytest.raises(OutputError) as caught:
            check_output_dir(path)
        assert "\n" not in str(caught.value) and "two\\nlines" in str(caught.value)

    def test_current_directory(self, tmp_path, monkeypatch):
        (tmp_path / "here").mkdir()
        monkeypatch.chdir(tmp_path / "here")
        assert "current directory" in refusal(".")
        assert "current directory" in refusal("..", overwrite=True)
        check_output_dir("out")

    @pytest.mark.skipif(not Path("/proc/self").exists(), reason="no /proc")
    def test_where_nobody_may_write(self):
        assert "not writable" in refusal("/proc/fitme-out")
        assert "not writable" in refusal("/proc/fitme-out/below")

    @pytest.mark.skipif(
        not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere"
    )
    def test_permissions(self, tmp_path):
        tmp_path.chmod(0o500)
        try:
            assert "not writable" in refusal(tmp_path / "out")
        finally:
            tmp_path.chmod(0o700)


class TestAtomicDirectory:
    def test_appears_at_the_end(self, tmp_path):
        path = tmp_path / "a" / "out"
        with atomic_directory(path) as directory:
            assert directory.is_dir() and directory.parent == path.parent
            assert directory.name.startswith(".out.") and str(os.getpid()) in directory.name
            (directory / "fit.json").write_text("{}")
            assert not path.exists()
        assert names(path) == ["fit.json"]
        assert names(tmp_path) == ["a"] and names(path.parent) == ["out"]

    def test_permissions_are_the_usual_ones(self, tmp_path):
        with atomic_directory(tmp_path / "out"):
            pass
        (tmp_path / "usual").mkdir()
        assert (tmp_path / "out").stat().st_mode == (tmp_path / "usual").stat().st_mode

    def test_into_an_empty_directory(self, tmp_path):
        (tmp_path / "out").mkdir()
        with atomic_directory(tmp_path / "out") as directory:
            (directory / "fit.json").write_text("{}")
        assert names(tmp_path) == ["out"] and names(tmp_path / "out") == ["fit.json"]

    def test_overwrite_replaces_everything(self, tmp_path):
        path = make_result(tmp_path / "out")
        with atomic_directory(path, overwrite=True) as directory:
            (directory / "fit.json").write_text("2")
            assert (path / "fit.json").read_text() == "1"
        assert names(tmp_path) == ["out"] and names(path) == ["fit.json"]
        assert (path / "fit.json").read_text() == "2"

    @pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
    def test_failure_leaves_everything_as_it_was(self, tmp_path, error):
        path = make_result(tmp_path / "out")
        for target in (path, tmp_path / "a" / "b" / "out"):
            with pytest.raises(error), atomic_directory(target, overwrite=True) as directory:
                (directory / "fit.json").write_text("2")
                raise error
        assert names(tmp_path) == ["out"]
        assert (path / "fit.json").read_text() == "1"

    def test_failing_rename_restores_the_old_result(self, tmp_path, monkeypatch):
        path = make_result(tmp_path / "out")
        rename = os.rename

        def second_fails(source, target):
            if str(source).endswith(".new"):
                raise OSError(28, "No space left on device")
            rename(source, target)

        monkeypatch.setattr(os, "rename", second_fails)
        with (
            pytest.raises(OutputError, match="No space left"),
            atomic_directory(path, overwrite=True) as directory,
        ):
            (directory / "fit.json").write_text("2")
        assert names(tmp_path) == ["out"] and (path / "fit.json").read_text() == "1"

    def test_somebody_else_was_faster(self, tmp_path):
        path = tmp_path / "out"
        with pytest.raises(OutputError, match="--overwrite"), atomic_directory(path) as directory:
            (directory / "fit.json").write_text("2")
            make_result(path)
        assert names(tmp_path) == ["out"] and (path / "fit.json").read_text() == "1"

    def test_link_to_a_directory_stays_a_link(self, tmp_path):
        (tmp_path / "big_disk").mkdir()
        (tmp_path / "out").symlink_to(tmp_path / "big_disk")
        with atomic_directory(tmp_path / "out") as directory:
            (directory / "fit.json").write_text("{}")
        assert (tmp_path / "out").is_symlink()
        assert names(tmp_path / "big_disk") == ["fit.json"]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
class TestKilled:
    SCRIPT = """
        import os, sys, time
        from fitme.runtime import files

        path, at = sys.argv[1:]
        if at == "between":  # the two renames of an overwrite
            rename = os.rename

            def stop_before_second(source, target):
                if str(source).endswith(".new"):
                    print("ready", flush=True)
                    time.sleep(60)
                rename(source, target)

            os.rename = stop_before_second
        with files.atomic_directory(path, overwrite=True) as directory:
            (directory / "fit.json").write_text("half")
            if at == "inside":
                print("ready", flush=True)
                time.sleep(60)
    """

    def kill(self, path, at):
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(self.SCRIPT), str(path), at],
            stdout=subprocess.PIPE,
        )
        assert child.stdout.readline() == b"ready\n"
        child.kill()
        child.wait()
        child.stdout.close()

    def test_target_is_untouched_and_the_next_run_cleans_up(self, tmp_path):
        path = make_result(tmp_path / "out")
        self.kill(path, "inside")
        assert (path / "fit.json").read_text() == "1"
        assert len(names(tmp_path)) == 2
        with atomic_directory(path, overwrite=True) as directory:
            assert names(tmp_path) == sorted([directory.name, "out"])
            (directory / "fit.json").write_text("2")
        assert names(tmp_path) == ["out"] and (path / "fit.json").read_text() == "2"

    def test_new_target_does_not_exist(self, tmp_path):
        self.kill(tmp_path / "out", "inside")
        assert not (tmp_path / "out").exists()
        with atomic_directory(tmp_path / "out"):
            pass
        assert names(tmp_path) == ["out"]

    def test_between_the_renames_the_next_run_brings_the_old_back(self, tmp_path):
        path = make_result(tmp_path / "out")
        self.kill(path, "between")
        assert not path.exists()
        with pytest.raises(OutputError, match="--overwrite"), atomic_directory(path):
            pass
        assert names(tmp_path) == ["out"] and (path / "fit.json").read_text() == "1"

    def test_living_and_other_targets_are_left_alone(self, tmp_path):
        with atomic_directory(tmp_path / "out") as first:
            other = tmp_path / first.name.replace(".out.", ".out2.")
            other.mkdir()
            with atomic_directory(tmp_path / "out") as second:
                assert first.is_dir() and second != first
            assert first.is_dir() and other.is_dir()
            (tmp_path / "out").rmdir()

    def test_a_dead_owner_that_nobody_reaped(self, tmp_path):
        dead = subprocess.Popen([sys.executable, "-c", ""])
        while psutil.Process(dead.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.02)
        theirs = tmp_path / f".out.fitme-{HOST}-{dead.pid}-0.new"
        theirs.mkdir()
        with atomic_directory(tmp_path / "out"):
            assert not theirs.exists()
        dead.wait()

    def test_an_owner_whose_number_was_given_to_another(self, tmp_path):
        theirs = tmp_path / f".out.fitme-{HOST}-{os.getpid()}-9.new"
        theirs.mkdir()
        before_us = psutil.Process().create_time() - 120
        os.utime(theirs, (before_us, before_us))
        with atomic_directory(tmp_path / "out"):
            assert not theirs.exists()

    def test_another_machines_are_left_for_a_week(self, tmp_path):
        theirs = tmp_path / ".out.fitme-elsewhere-1-0.new"
        theirs.mkdir()
        with atomic_directory(tmp_path / "out"):
            assert theirs.is_dir()
        long_ago = time.time() - 8 * 24 * 3600
        os.utime(theirs, (long_ago, long_ago))
        with atomic_directory(tmp_path / "out"):
            assert not theirs.exists()


class TestStaging:
    def test_nothing_lies_beside_the_target(self, tmp_path):
        path, staging = make_result(tmp_path / "home" / "out"), tmp_path / "staging"
        with atomic_directory(path, overwrite=True, staging=staging) as directory:
            assert directory.parent == staging and names(path.parent) == ["out"]
            (directory / "fit.json").write_text("2")
        assert names(path) == ["fit.json"] and names(path.parent) == ["out"]
        atomic_write_bytes(path.parent / "a.bin", b"1", staging=tmp_path / "new" / "staging")
        assert names(path.parent) == ["a.bin", "out"]
        assert names(staging) == names(tmp_path / "new" / "staging") == []

    def test_refusals_are_the_same(self, tmp_path):
        path = make_result(tmp_path / "out")
        with (
            pytest.raises(OutputError, match="--overwrite"),
            atomic_directory(path, staging=tmp_path / "staging"),
        ):
            pytest.fail("the block must not run")

    def test_clearing_puts_lost_results_back(self, tmp_path):
        home, staging = tmp_path / "home", tmp_path / "staging"
        make_result(home / "there", "new")
        for name in ("there", "lost"):
            make_result(staging / f".{name}.fitme-{HOST}-{os.getpid()}-0.old", "old")
        make_result(staging / f".half.fitme-elsewhere-{os.getpid()}-0.new")
        clear_staging(staging, home)
        assert not staging.exists() and names(home) == ["lost", "there"]
        assert (home / "lost" / "fit.json").read_text() == "old"
        assert (home / "there" / "fit.json").read_text() == "new"


class TestWriting:
    def test_bytes(self, tmp_path):
        atomic_write_bytes(tmp_path / "a.bin", b"1")
        atomic_write_bytes(tmp_path / "a.bin", b"2")
        assert (tmp_path / "a.bin").read_bytes() == b"2" and names(tmp_path) == ["a.bin"]

    def test_no_directory(self, tmp_path):
        with pytest.raises(OutputError, match="cannot be written") as caught:
            atomic_write_bytes(tmp_path / "none" / "a.bin", b"1")
        assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)

    def test_over_a_directory(self, tmp_path):
        (tmp_path / "a").mkdir()
        with pytest.raises(OutputError):
            atomic_write_bytes(tmp_path / "a", b"1")
        assert names(tmp_path) == ["a"]

    def test_json(self, tmp_path):
        value = {
            "z": [1, 2.5, True, None, "ä"],
            "a": {"array": np.eye(2, dtype=np.float32), "scalar": np.float64(0.1)},
            "path": Path("x") / "y",
        }
        write_json(tmp_path / "a.json", value)
        read = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
        assert list(read) == ["z", "a", "path"]
        assert read["a"] == {"array": [[1.0, 0.0], [0.0, 1.0]], "scalar": 0.1}
        assert read["z"] == [1, 2.5, True, None, "ä"] and read["path"] == "x/y"

    def test_json_floats_read_back_exactly(self):
        values = np.random.default_rng(0).normal(size=100).tolist()
        assert json.loads(json_bytes(values)) == values

    @pytest.mark.parametrize("bad", [float("nan"), float("inf"), np.float32("nan")])
    def test_json_refuses_what_is_not_finite(self, tmp_path, bad):
        with pytest.raises(ValueError, match=r"\$\.photos\[1\]\.loss is"):
            write_json(tmp_path / "a.json", {"photos": [{"loss": 1.0}, {"loss": bad}]})
        assert names(tmp_path) == []

    def test_json_refuses_other_types(self):
        with pytest.raises(TypeError, match=r"\$\.a is a set"):
            json_bytes({"a": {1}})
        with pytest.raises(TypeError, match="keys are strings"):
            json_bytes({1: 2})
