"""One or two examples under the `--help` of every command."""

from __future__ import annotations

import typer

EXAMPLES: dict[str, tuple[str, ...]] = {
    "fit": (
        "fitme fit me.jpg --out out/me",
        "fitme fit front.jpg left.jpg right.jpg --out out/me --preset best --json",
    ),
    "batch": (
        "fitme batch people/ --out out/people",
        "fitme batch people.csv --out out/people --jobs 4 --retry-failed",
    ),
    "render": (
        "fitme render out/me --out side.png --yaw 40 --light studio",
        "fitme render out/me --out smile.png --neutral --expression mouthSmileLeft=1",
    ),
    "turntable": (
        "fitme turntable out/me --out me.webp --background transparent",
        "fitme turntable out/me --out me.mp4 --full --light rim",
    ),
    "sample": (
        "fitme sample --out out/people --count 4 --seed 7",
        "fitme sample --out out/sheet --sheet --truncation 0.7",
    ),
    "presets": ("fitme presets", "fitme fit me.jpg --out out/me --set tune.steps=60"),
    "studio": ("fitme studio", "fitme studio --out heads --port 9000 --no-browser"),
    "version": ("fitme version --json",),
    "doctor": ("fitme doctor", "fitme doctor --json > doctor.json"),
    "export": (
        "fitme export out/me --preset unreal --out out/me_unreal",
        "fitme export out/me --preset vrm --out out/me_vrm",
    ),
    "transfer": (
        "fitme transfer out/me --expression out/friend --out out/mixed",
        "fitme transfer out/me --static out/friend --dynamic out/friend --out out/mixed",
    ),
    "report": ("fitme report out/me --out me.html",),
    "head convert": ("fitme head convert generic_model.pkl flame.safetensors --kind flame",),
    "head info": ("fitme head info flame.safetensors --json",),
    "models list": ("fitme models list",),
    "models pull": (
        "fitme models pull lpips facenet",
        "fitme models pull lpips --from alexnet-owt-7be5be79.pth",
    ),
    "models verify": ("fitme models verify",),
}


def add_examples(app: typer.Typer, prefix: str = "") -> None:
    """Put `EXAMPLES` under the help of the commands of `app` that have none of their own."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "")
        lines = EXAMPLES.get(f"{prefix}{name}")
        if lines and not command.epilog:
            title = "Examples:" if len(lines) > 1 else "Example:"
            # \b keeps the lines as they are
            command.epilog = "\n".join(["\b", title, *(f"  {line}" for line in lines)])
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_examples(group.typer_instance, f"{prefix}{group.name} ")
