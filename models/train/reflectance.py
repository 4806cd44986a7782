"""Recipe of the reflectance generator.

    python -m fitme.models.train.reflectance --preset cpu|gpu --out DIR --resume

Phases: regression (parameters -> z -> w -> maps), grown from 64 to the full resolution, makes W
semantic; the adversarial phase adds what regression blurs. See `reflectance_prior` for why z
needs no phase of its own, and `reflectance_config` for the schedules.

DIR/log.jsonl, DIR/sheets/step-N.png, DIR/checkpoints/step-N; `--weights FILE` writes the
moving average as the file that `ReflectanceGenerator.load` reads.
"""

from __future__ import annotations

import argparse
import signal
import sys
from dataclasses import replace
from pathlib import Path

import torch

from fitme.models.stylegan2 import GENERATORS
from fitme.models.train.reflectance_config import PRESETS, TrainConfig
from fitme.models.train.reflectance_data import open_source
from fitme.models.train.reflectance_trainer import Trainer
from fitme.runtime.errors import FitmeError
from fitme.runtime.memory import keep_large_blocks


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fitme.models.train.reflectance",
                                     description=(__doc__ or "").splitlines()[0])  # fmt: skip
    add = parser.add_argument
    add("--preset", choices=list(PRESETS), required=True)
    add("--network", choices=list(PRESETS), help="sizes of the networks; default: the preset's")
    add("--out", type=Path, required=True, metavar="DIR")
    add("--data-source", choices=["synth", "toy"], default="synth")
    add("--resume", action="store_true", help="go on from the newest checkpoint in DIR, if any")
    add("--from", dest="start", type=Path, metavar="CHECKPOINT",
        help="a step-N folder or a weight file to start from where DIR has none")  # fmt: skip
    add("--stage", type=int, metavar="N",
        help="with --from: begin at the Nth stage of the schedule, counted from 1")  # fmt: skip
    add("--keep-w", action="store_true",
        help="with --from a weight file, after a change of the synthesizer: measure the linear base"
        " anew and train all but the mapping network, so that harvests stay valid")  # fmt: skip
    add("--minutes", type=float, help="stop after so long, with a checkpoint")
    add("--steps", type=int, help="stop after so many steps, with a checkpoint")
    add("--images", type=float, default=1.0, metavar="FACTOR", help="scales every stage's length")
    add("--draws", type=float, default=1.0, metavar="FACTOR",
        help="scales how many draws are cached and the base is measured on")  # fmt: skip
    add("--seed", type=int, default=0)
    add("--device", help="default: cuda where there is one")
    add("--dtype", choices=["auto", "float32", "bfloat16", "float16"], default="auto",
        help="of features from 64x64 up; auto: bfloat16 on cuda")  # fmt: skip
    add("--threads", type=int)
    add("--precision", choices=["exact", "half"], default="exact", help="of checkpoints")
    add("--shard-mb", type=float, metavar="MB", help="largest checkpoint file")
    add("--save-minutes", type=float, default=10.0)
    add("--slim-to", type=Path, metavar="DIR",
        help="at the end also a half-precision checkpoint without model and Adam")  # fmt: skip
    add("--weights", type=Path, metavar="FILE", help="at the end write the generator")
    return parser.parse_args(arguments)


def scaled(config: TrainConfig, images: float, draws: float) -> TrainConfig:
    """With stages and numbers of draws multiplied."""
    stages = tuple(replace(s, images=max(int(s.images * images), s.batch)) for s in config.stages)
    cache = tuple((resolution, max(1, int(count * draws))) for resolution, count in config.cache)
    return replace(config, stages=stages, cache=cache, base_draws=int(config.base_draws * draws))


def main(arguments: list[str] | None = None) -> int:
    args = parse(arguments)
    keep_large_blocks()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device(args.device or ("cuda" if torch.cuda.is_available() else "cpu"))
    name = args.dtype
    if name == "auto":
        name = "bfloat16" if device.type == "cuda" else "float32"
    if device.type == "cuda":
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.benchmark = True

    def report(text: str) -> None:
        print(text, flush=True)

    try:
        network = args.network or args.preset
        config = replace(scaled(PRESETS[args.preset], args.images, args.draws), seed=args.seed,
                         keep_w=args.keep_w, network=network,
                         generator=GENERATORS[network])  # fmt: skip
        source = open_source(args.data_source, device)
        trainer = Trainer(config, source, args.out, device=device,
                          dtype=getattr(torch, name), report=report)  # fmt: skip
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: setattr(trainer, "stopping", True))
        stage = None if args.stage is None else args.stage - 1
        if args.resume and trainer.resume():
            report(f"resumed at step {trainer.step} of {trainer.config.steps}")
        elif args.start and args.start.is_file():
            if stage is None:
                raise FitmeError("--from a weight file needs --stage N")
            trainer.start_from_weights(args.start, stage)
            report(f"started from {args.start} at step {trainer.step} of {trainer.config.steps}")
        elif args.start and trainer.resume(args.start, stage):
            report(f"resumed at step {trainer.step} of {trainer.config.steps}")
        elif (args.out / "checkpoints").exists() and not args.resume:
            raise FitmeError(f"{args.out} holds a run; pass --resume or choose another --out")
        trainer.run(args.steps, args.minutes, args.save_minutes,
                    precision=args.precision, shard_mb=args.shard_mb)  # fmt: skip
        if args.slim_to:
            trainer.save(precision="half", slim=True, shard_mb=args.shard_mb, folder=args.slim_to)
        if args.weights:
            write_weights(trainer, args.weights)
            report(f"wrote {args.weights}")
    except FitmeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    report("finished" if trainer.finished else f"stopped at step {trainer.step}; --resume goes on")
    return 0


def write_weights(trainer: Trainer, path: Path) -> None:
    """The moving average with the statistics of W, and how it came about, as safetensors."""
    average = trainer.average
    average.measure_w(torch.Generator().manual_seed(trainer.config.seed))
    reached, inside = trainer.locate(trainer.step)
    done = [stage.name for stage in trainer.config.stages[: reached + (inside > 0)]]
    if trainer.config.generator.base[1]:
        done.insert(0, "linear base")
    average.save(path, {
        "training": f"network {trainer.config.network}, seed {trainer.config.seed}, "
        f"{trainer.step} steps, {trainer.images} images, {trainer.seconds / 3600:.2f} h",
        "phases": ", ".join(done),
    })  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
