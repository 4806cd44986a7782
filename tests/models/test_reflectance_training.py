"""The training harness on a tiny setting: same result after a kill, checkpoints, sheets."""

import json
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from fitme.image.png import decode_png
from fitme.models.stylegan2 import ReflectanceGenerator
from fitme.models.stylegan2.synthesis import Window
from fitme.models.train import checkpoint, reflectance
from fitme.models.train.reflectance_config import PRESETS, Stage
from fitme.models.train.reflectance_data import (
    Augmentation,
    ToySource,
    crop,
    extent_of,
    random_window,
)
from fitme.models.train.reflectance_trainer import Trainer
from fitme.runtime.errors import InputError

# Three steps end inside the first adversarial stage's lazy regularisers, in mid-stage.
STAGES = (
    Stage("regress", 16, 8, 4),
    Stage("adversarial", 16, 12, 4),
    Stage("adversarial", 32, 8, 4, crop=16),
)
CONFIG = replace(PRESETS["tiny"], stages=STAGES, prior_samples=500, sheet_every=100)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trainer(folder, config=CONFIG) -> Trainer:
    return Trainer(config, ToySource(), folder, report=lambda text: None)


def state(t: Trainer) -> dict[str, torch.Tensor]:
    tensors = {f"model.{k}": v for k, v in t.model.state_dict().items()}
    tensors |= {f"average.{k}": v for k, v in t.average.state_dict().items()}
    if t.discriminator is not None:
        tensors |= {f"discriminator.{k}": v for k, v in t.discriminator.state_dict().items()}
    for index, optimizer in enumerate(t.optimizers):
        tensors |= checkpoint.adam_tensors(str(index), optimizer)
    return tensors


class TestResume:
    @pytest.mark.parametrize("first", [1, 2, 3, 5])  # 2 and 5 are the ends of stages
    def test_interrupted_is_uninterrupted_bit_for_bit(self, tmp_path, first):
        whole = trainer(tmp_path / "whole")
        whole.run(6)
        trainer(tmp_path / "parts").run(first)
        parts = trainer(tmp_path / "parts")
        assert parts.resume() and parts.step == first
        parts.run(6 - first)
        a, b = state(whole), state(parts)
        assert set(a) == set(b) and len(a) > 50
        assert [name for name in a if not torch.equal(a[name], b[name])] == []
        assert torch.equal(whole.path_mean, parts.path_mean) and whole.path_mean > 0

    def test_steps_lost_in_a_kill_are_repeated(self, tmp_path, monkeypatch):
        class Killed(BaseException):
            pass

        def die(**saving):
            raise Killed

        trainer(tmp_path).run(3)
        victim = trainer(tmp_path)
        victim.resume()
        monkeypatch.setattr(victim, "save", die)
        with pytest.raises(Killed):
            victim.run(2)
        resumed, whole = trainer(tmp_path), trainer(tmp_path / "whole")
        assert resumed.resume() and resumed.step == 3
        steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").open()]
        assert steps == [1, 2, 3]  # the lost steps have left the log too
        resumed.run(2)
        whole.run(5)
        a, b = state(whole), state(resumed)
        assert [name for name in a if not torch.equal(a[name], b[name])] == []

    def test_another_configuration_is_refused(self, tmp_path):
        trainer(tmp_path).run(1)
        for changed in (replace(CONFIG, seed=1), replace(CONFIG, stages=STAGES[:1])):
            with pytest.raises(InputError, match=r"another (seed|stages)"):
                trainer(tmp_path, changed).resume()

    def test_a_slim_checkpoint_starts_another_schedule(self, tmp_path):
        first = trainer(tmp_path / "a")
        first.run(4)
        path = first.save(precision="half", slim=True, folder=tmp_path / "slim")
        second = trainer(tmp_path / "b", replace(CONFIG, seed=3, stages=STAGES[1:]))
        assert second.resume(path, stage=1)
        assert second.step == STAGES[1].steps
        start = first.average.synthesis.start
        torch.testing.assert_close(second.model.synthesis.start, start, rtol=1e-3, atol=1e-3)
        second.run(1)


class TestCheckpoint:
    def tensors(self):
        g = torch.Generator().manual_seed(0)
        names = ("model.a", "model.b", "adam.0.1.exp_avg_sq")
        return {name: torch.randn(64, 64, generator=g) for name in names}

    def test_exact_round_trip_and_shards(self, tmp_path):
        tensors = self.tensors()
        path = checkpoint.save_checkpoint(tmp_path, 7, tensors, {"step": 7}, shard_mb=0.09)
        files = sorted(path.glob("*.safetensors"))
        assert len(files) == 3 and all(f.stat().st_size < 0.09 * 2**20 for f in files)
        loaded, numbers = checkpoint.load_checkpoint(path)
        assert numbers == {"step": 7}
        assert all(torch.equal(loaded[k], tensors[k]) for k in tensors)

    def test_half(self, tmp_path):
        path = checkpoint.save_checkpoint(tmp_path, 1, self.tensors(), {}, precision="half")
        stored = safetensors.torch.load_file(path / "000.safetensors")
        assert stored["model.a"].dtype == torch.float16
        assert stored["adam.0.1.exp_avg_sq"].dtype == torch.bfloat16
        loaded, _ = checkpoint.load_checkpoint(path)
        torch.testing.assert_close(
            loaded["model.a"], self.tensors()["model.a"], rtol=1e-3, atol=1e-3
        )

    def test_a_tensor_above_the_limit(self, tmp_path):
        with pytest.raises(ValueError, match="above --shard-mb"):
            checkpoint.save_checkpoint(tmp_path, 1, {"a": torch.zeros(2**18)}, {}, shard_mb=0.5)
        assert not checkpoint.list_checkpoints(tmp_path)

    def test_only_the_newest_are_kept_and_leftovers_go(self, tmp_path):
        (tmp_path / ".new-step-00000001").mkdir()
        for step in (1, 2, 3, 10):
            checkpoint.save_checkpoint(tmp_path, step, self.tensors(), {})
        assert [p.name for p in checkpoint.list_checkpoints(tmp_path)] == [
            "step-00000003", "step-00000010",
        ]  # fmt: skip
        assert not list(tmp_path.glob(".new-*"))

    def test_damage_is_an_input_error(self, tmp_path):
        path = checkpoint.save_checkpoint(tmp_path, 1, self.tensors(), {}, shard_mb=0.09)
        (path / "001.safetensors").unlink()
        with pytest.raises(InputError, match="no complete checkpoint"):
            checkpoint.load_checkpoint(path)
        with pytest.raises(InputError, match="no complete checkpoint"):
            checkpoint.load_checkpoint(tmp_path)


class TestCommand:
    def test_train_resume_and_weights(self, tmp_path, capsys):
        common = ["--preset", "tiny", "--data-source", "toy", "--out", str(tmp_path / "run"),
                  "--device", "cpu"]  # fmt: skip
        assert reflectance.main([*common, "--steps", "5", "--shard-mb", "0.2"]) == 0
        assert "--resume goes on" in capsys.readouterr().out
        assert reflectance.main(common) == 2  # an existing run is not overwritten
        assert "pass --resume" in capsys.readouterr().err
        weights = tmp_path / "w.safetensors"
        slim = tmp_path / "slim"
        arguments = ["--resume", "--weights", str(weights), "--slim-to", str(slim)]
        assert reflectance.main([*common, *arguments]) == 0
        out = capsys.readouterr().out
        assert "resumed at step 5 of 16" in out and "finished" in out
        entries = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").open()]
        assert [entry["step"] for entry in entries] == list(range(1, 17))
        assert entries[0].keys() >= {"l1", "laplacian", "images", "seconds"}
        assert any("r1" in entry for entry in entries) and any("path" in e for e in entries)
        generator = ReflectanceGenerator.load(weights)
        assert generator.w_covariance.abs().sum() > 0
        picture = decode_png((tmp_path / "run/sheets/step-00000016.png").read_bytes())
        assert picture.shape == (9 * 32, 2 * 32, 3) and np.ptp(picture) > 50
        assert len(checkpoint.list_checkpoints(slim)) == 1

    def test_starts_a_later_stage_from_weights(self, tmp_path, capsys):
        common = ["--preset", "tiny", "--data-source", "toy", "--device", "cpu"]
        weights = tmp_path / "w.safetensors"
        first = [*common, "--out", str(tmp_path / "a"), "--steps", "1", "--weights", str(weights)]
        assert reflectance.main(first) == 0
        before = ReflectanceGenerator.load(weights).synthesis.base.components
        second = [*common, "--out", str(tmp_path / "b"), "--from", str(weights), "--resume"]
        assert reflectance.main(second) == 2
        assert "--stage" in capsys.readouterr().err
        again = ["--stage", "3", "--steps", "2", "--weights", str(tmp_path / "v.safetensors")]
        assert reflectance.main([*second, *again]) == 0
        assert "at step 8 of 16" in capsys.readouterr().out
        entries = [json.loads(line) for line in (tmp_path / "b" / "log.jsonl").open()]
        assert [entry["step"] for entry in entries] == [9, 10] and "r1" in entries[0]
        after = ReflectanceGenerator.load(tmp_path / "v.safetensors").synthesis.base.components
        assert torch.equal(before, after) and bool(before.any())  # the base is not fitted again

    def test_keeps_w_and_measures_the_base_anew(self, tmp_path, capsys):
        common = ["--preset", "tiny", "--data-source", "toy", "--device", "cpu"]
        weights, later = tmp_path / "w.safetensors", tmp_path / "v.safetensors"
        first = [*common, "--out", str(tmp_path / "a"), "--steps", "1", "--weights", str(weights)]
        assert reflectance.main(first) == 0
        before = ReflectanceGenerator.load(weights)
        spoiled = ReflectanceGenerator.load(weights)
        spoiled.synthesis.base.components.mul_(0.5)
        spoiled.save(weights)
        second = [*common, "--out", str(tmp_path / "b"), "--from", str(weights), "--keep-w"]
        assert (
            reflectance.main([*second, "--stage", "2", "--steps", "3", "--weights", str(later)])
            == 0
        )
        left = float(capsys.readouterr().out.split("base measured anew: ")[1].split()[0])
        assert 0 < left < 0.5
        after = ReflectanceGenerator.load(later)
        own = after.mapping.state_dict()
        assert all(torch.equal(own[k], v) for k, v in before.mapping.state_dict().items())

        def apart(one, two):
            one, two = (x.synthesis.base.components.flatten() for x in (one, two))
            return float((one - two).norm() / two.norm())

        assert apart(after, before) < 0.2 < 0.4 < apart(spoiled, before)
        assert not torch.equal(after.synthesis.start, before.synthesis.start)  # this is trained

    def test_the_time_limit_stops_it(self, tmp_path):
        t = trainer(tmp_path)
        t.run(minutes=0)
        assert t.step == 1 and checkpoint.list_checkpoints(tmp_path / "checkpoints")

    def test_a_signal_stops_it_between_steps(self, tmp_path):
        t = trainer(tmp_path)
        t.stopping = True
        t.run()
        assert t.step == 0

    def test_nothing_broken_is_saved(self, tmp_path):
        t = trainer(tmp_path)
        with torch.no_grad():
            t.model.synthesis.start.fill_(float("nan"))
        with pytest.raises(FloatingPointError, match="not"):
            t.run(1)
        assert not checkpoint.list_checkpoints(tmp_path / "checkpoints")


class TestLearning:
    def test_regression_reproduces_the_draws(self, tmp_path):
        stages = (Stage("regress", 16, 2400, 16, 5e-3),)
        config = replace(CONFIG, stages=stages, warm_up=20, ema_half_life=200, sheet_faces=8,
                         sheet_every=10**6, log_every=50)  # fmt: skip
        lines: list[str] = []
        t = Trainer(config, ToySource(), tmp_path, report=lines.append)
        t.run()
        psnr = float(lines[-1].split("PSNR (sRGB) ")[1].split()[0])
        assert psnr > 20  # the mean map scores about 12


class TestData:
    def test_toy_draws_follow_the_generator(self):
        source = ToySource()
        a, b = (source.draw(3, 16, torch.Generator().manual_seed(4)) for _ in range(2))
        assert a[0].shape == (3, source.parameter_count)
        assert torch.equal(a[0], b[0]) and torch.equal(a[1].normal, b[1].normal)

    def test_windows_lie_inside(self):
        g = torch.Generator().manual_seed(0)
        for _ in range(50):
            window = random_window(64, 16, g)
            assert crop(torch.zeros(1, 6, 64, 64), window).shape[2:] == (16, 16)
        assert random_window(64, 64, g) is None

    def test_mirroring_keeps_the_scene(self):
        # A mirrored crop must be the crop of the mirrored map, at the mirrored place.
        _, maps = ToySource().draw(1, 32, torch.Generator().manual_seed(0))
        signal = maps.to_signal()
        window = Window(4, 3, 16)
        extent = extent_of(window, 32, 1, torch.device("cpu"))
        for seed in range(8):
            g = torch.Generator().manual_seed(seed)
            flipped = torch.rand(1, generator=torch.Generator().manual_seed(seed)) < 0.5
            out, place = Augmentation()(crop(signal, window), extent, g)
            if flipped:
                sign = torch.tensor([1, 1, 1, 1, -1, 1])[:, None, None]
                whole = signal.flip(3) * sign
                left = round(float(place[0, 0]) * 32)
                assert left == 32 - 3 - 16
                torch.testing.assert_close(out, whole[:, :, 4:20, left : left + 16])
            else:
                torch.testing.assert_close(out, crop(signal, window))
                torch.testing.assert_close(place, extent)

    def test_colour_changes_leave_normals_alone(self):
        signal = torch.rand(4, 6, 8, 8)
        extent = torch.tensor([[0.0, 0.0, 1.0]]).expand(4, 3)
        out, _ = Augmentation(1.0)(signal, extent, torch.Generator().manual_seed(0))
        assert not torch.allclose(out[:, :4], signal[:, :4])
        torch.testing.assert_close(out[:, 5].sum((1, 2)), signal[:, 5].sum((1, 2)))
