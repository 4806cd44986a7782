"""Steps, sizes, rates and weights of a fit: a dataclass per stage, three presets.

Each setting has a path, such as `invert.steps` or `light.rates.gray`; `fitme presets` prints all of
them, `fitme fit --set PATH=VALUE` changes one. What a setting may be is checked when the dataclass
is made. Where a comment names no measurement, the value was chosen by the numbers and pictures of
`benchmarks/quality.py` on 23 photos and six rendered heads, together with the others.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any

from fitme.hair.styles import PRESETS as STYLES
from fitme.runtime.errors import InputError

SMALLEST_CROP, LARGEST_CROP = 64, 2048  # pixels; multiples of 32, as the losses' pyramids halve it
SMALLEST_MAP, LARGEST_MAP = 32, 1024  # texels; powers of two, the generator's resolutions


# The head's hair: strands grown to look like the photo's; the painted hair of a cropped head; bald;
# or strands of a style, in the photo's colour.
HAIR = ("fit", "cropped", "bald")


@dataclass(frozen=True)
class _Checked:
    """Checks its numbers when made: finite, none negative, sizes that the stages can work with."""

    def __post_init__(self) -> None:
        for item in fields(self):
            value = getattr(self, item.name)
            if isinstance(value, _Checked):
                continue
            if item.name == "hair":
                _check_hair(value)
                continue
            if not math.isfinite(value) or value < 0:
                raise InputError(f"{item.name}={value}: give a finite number of at least 0")
            if item.name == "pixels" and not _is_crop(value):
                raise InputError(
                    f"{item.name}={value}: give a multiple of 32 from {SMALLEST_CROP} to "
                    f"{LARGEST_CROP}"
                )
            if item.name in ("texels", "coarsest") and not _is_map(value):
                raise InputError(
                    f"{item.name}={value}: give a power of two from {SMALLEST_MAP} to {LARGEST_MAP}"
                )
            share = item.metadata.get("share", False)
            if share and value > 1:
                raise InputError(f"{item.name}={value}: give a share from 0 to 1")


def _check_hair(value: object) -> None:
    """Raise InputError unless it is one of `HAIR` or a style's name."""
    choices = (*HAIR, *STYLES)
    if value not in choices:
        raise InputError(f"hair={value}: choose {', '.join(choices)}")


def _is_crop(value: int) -> bool:
    return SMALLEST_CROP <= value <= LARGEST_CROP and value % 32 == 0


def _is_map(value: int) -> bool:
    return SMALLEST_MAP <= value <= LARGEST_MAP and value & (value - 1) == 0


def _share(value: float) -> Any:
    """A field from 0 to 1."""
    return field(default=value, metadata={"share": True})


@dataclass(frozen=True)
class Descent(_Checked):
    """How all stages descend: Adam with cosine decay of the rates."""

    momentum: float = _share(0.9)  # Adam's beta 1
    # Adam's beta 2: gradients of a render change faster than the usual 0.999 remembers
    curvature: float = _share(0.95)
    final_rate: float = _share(0.1)  # of the first, at the last step
    # On a GPU: record steps that do the same, and replay them; 3 to 4 times as fast on an H100
    graphs: bool = True

    def rate_share(self, step: int, steps: int) -> float:
        """Of the first rate, at a step of so many."""
        cosine = 0.5 * (1 + math.cos(math.pi * step / max(steps, 1)))
        return self.final_rate + (1 - self.final_rate) * cosine


@dataclass(frozen=True)
class LightRates(_Checked):
    gray: float = 0.05
    tint: float = 0.02
    code: float = 0.08
    iris: float = 0.1


@dataclass(frozen=True)
class LightSettings(_Checked):
    """Light and tone at low resolution, on the geometry that the landmarks gave."""

    steps: int = 50
    pixels: int = 160
    texels: int = 128
    whites: bool = True  # of the eyes tell the light's colour
    whites_at: float = _share(0.5)  # of the steps, when
    lamp_share: float = _share(0.3)  # of the first harmonics that becomes a directional light
    rates: LightRates = LightRates()


@dataclass(frozen=True)
class InvertRates(_Checked):
    code: float = 0.05
    iris: float = 0.05
    gray: float = 0.02
    tint: float = 0.01
    color: float = 0.005
    lamp: float = 0.02
    # 0.03 left the surface at 0.81 of the mean head's error on four known heads, 0.08 at 0.70
    identity: float = 0.08
    expression: float = 0.01
    rotation: float = 0.002  # radians
    translation: float = 0.0006  # metres


@dataclass(frozen=True)
class InvertSettings(_Checked):
    """W, shape, pose and light together. The last step masks once more."""

    steps: int = 90
    pixels: int = 256
    texels: int = 256
    masked_at: float = _share(0.5)  # of the steps: what is not skin is masked
    shadow_every: int = 30  # steps: the lamps' shadows on the head are found anew; 0: none
    rates: InvertRates = InvertRates()


@dataclass(frozen=True)
class DeformSettings(_Checked):
    """What the shape has beyond the head model's components, see `fitme.detail`; found during the
    inversion."""

    on: bool = True
    # Of the inversion's steps; from 0.25 on instead changed little on five foreign heads
    starts: float = _share(0.0)
    # Of its whitened code; 0.05 from the middle on moved it by 0.3 deviations at most
    rate: float = 0.15


@dataclass(frozen=True)
class TuneRates(_Checked):
    generator: float = 2e-3
    layers: float = 0.02  # of W+, where it is tuned instead
    gray: float = 0.005
    tint: float = 0.005
    lamp: float = 0.005


@dataclass(frozen=True)
class TuneSettings(_Checked):
    """Pivotal tuning of the generator's middle layers; 0 steps leave it out."""

    steps: int = 30
    pixels: int = 384
    texels: int = 512
    coarsest: int = 32  # texels of the first layer that is tuned
    wplus: bool = False  # tune W+ (Abdal et al. 2019) instead of the generator's weights
    scale: float = 0.25  # display colour at which the photometric loss bends
    mirror: float = 4.0  # weights of losses that only this stage has
    pivot: float = 2.0
    hue: float = 1.5  # skin's hue stays as W has it at the scale at which coloured light varies
    chromaticity: float = 0.2
    rates: TuneRates = TuneRates()


@dataclass(frozen=True)
class RefineSettings(_Checked):
    """Fine detail of the photos, in closed form."""

    on: bool = True
    relief: bool = True  # what of it is shading goes into the normals
    pixels: int = 1024  # at most


@dataclass(frozen=True)
class TermSettings(_Checked):
    """Weights of the losses that several stages share."""

    photometric: float = 60.0
    photometric_scale: float = 0.12  # display colour at which the loss bends
    structure: float = 1.5
    lpips: float = 0.3  # where its network is there, see `fitme models`
    recognition: float = 0.2  # cosine distance of face features, likewise
    # Squared distance of dlib's face features, where that is installed, and of the head turned to
    # the sides. 1 and 1 moved landmarks by another 0.4 % of the distance between the eyes.
    likeness: float = 0.3
    turned: float = 0.3
    # 1 held the shape to MediaPipe's noise: 1.10 mm of surface error on known heads; 0.87 with
    # 0.3, a weaker identity prior and the faster identity rate together
    landmark: float = 0.3
    landmark_sigma: float = 0.025  # interocular distances
    dense: float = 0.1  # of the encoder's points
    dense_widen: float = 8.0  # times the spread that it gives each
    contour: float = 0.05  # of the head before background and clothes
    contour_sigma: float = 0.02  # interocular distances
    # Of the skin, as the whole photo tells it. With 0.4 three photos in hard light came out 10 to
    # 20 degrees (typology angle) darker than told; 4 cost 0.4 dB of 21 to 25
    tone: float = 1.0
    scalp: float = 0.1  # of hair's colour on top of the head; 0.3 made skin darker
    opening: float = 0.5  # of lips; of lids where a head's do not shut
    # Of lids' edges. On three photos, with 0.5: openings within 0.004 interocular distances of
    # these, PSNR the same in the mean, dlib's distance larger by 0.06 and 0.04, smaller by 0.002
    lids: float = 0.12
    opening_sigma: float = 0.012  # interocular distances


@dataclass(frozen=True)
class PriorSettings(_Checked):
    """Weights of the regularizers of person and frames, by their names."""

    code: float = 0.2  # 0.12 let W take shading, 0.3 cost 0.5 dB on photos
    iris: float = 0.004
    identity: float = 0.04
    # On five foreign heads 0.05 fitted landmarks closer (1.5 %, with 0.5 1.6 %) and surfaces worse:
    # 0.96 of the mean head's error instead of 0.935
    deformation: float = 0.4
    expression: float = 0.15
    tint: float = 0.05
    # 0.1 made known heads 1 to 2 degrees of ITA darker; weaker since the tone is told
    strength: float = 0.02
    smooth: float = 0.05
    color: float = 2.0
    faint: float = 5.0  # light that is less than nothing in some direction
    lamp: float = 0.02


@dataclass(frozen=True)
class FitSettings(_Checked):
    """Everything a user may change. Sizes are pixels or texels a side."""

    light: LightSettings = LightSettings()
    invert: InvertSettings = InvertSettings()
    deform: DeformSettings = DeformSettings()
    tune: TuneSettings = TuneSettings()
    refine: RefineSettings = RefineSettings()
    terms: TermSettings = TermSettings()
    priors: PriorSettings = PriorSettings()
    descent: Descent = Descent()
    # parts that can be left out, to see what they contribute
    specular: bool = True
    normals: bool = True  # the generator's; without them the mesh's own
    mask: bool = True  # of what is not skin
    wrinkles: bool = True  # folds of the photo's expression are no part of the neutral maps
    guess: bool = True  # start with the encoder's skin and light
    encoder: bool = True  # its labels of pixels, dense landmarks, outline, first guesses
    hair: str = "fit"  # see `HAIR`; or the name of a style, `fitme.hair.PRESETS`
    hair_trials: int = 120  # styles whose silhouettes are compared with the photos


# The fast one has too few steps for the usual rates of light and skin: with those a face at dusk
# (b2) came to 25.5 dB, with these to 26.9, with two to three times the steps to 28.5.
PRESETS: dict[str, FitSettings] = {
    "fast": FitSettings(
        light=LightSettings(steps=28, rates=LightRates(gray=0.1, tint=0.04, code=0.12)),
        invert=InvertSettings(
            steps=40,
            pixels=192,
            texels=128,
            rates=InvertRates(gray=0.04, tint=0.02, lamp=0.04, code=0.09),
        ),
        tune=TuneSettings(steps=0),
        # Where nothing is tuned, red skin under a flash is red by its light or not at all: with
        # 0.05 a face (h1) came to 25.3 dB, with this to 26.4, skin as light in both.
        priors=PriorSettings(tint=0.02),
        hair_trials=50,
    ),
    "default": FitSettings(),
    "best": FitSettings(
        light=LightSettings(steps=60),
        invert=InvertSettings(steps=160),
        tune=TuneSettings(steps=60, pixels=512, texels=1024),
        hair_trials=200,
    ),
}


def choose_preset(preset: str | FitSettings) -> FitSettings:
    """A preset by name, or the given settings. Raises InputError for an unknown name."""
    if isinstance(preset, FitSettings):
        return preset
    if preset not in PRESETS:
        raise InputError(f"unknown preset {preset!r}; choose {', '.join(PRESETS)}")
    return PRESETS[preset]


def setting_paths(settings: Any, prefix: str = "") -> Iterator[tuple[str, float | bool | str]]:
    """Every setting with its path, such as ("invert.steps", 90)."""
    for item in fields(settings):
        value = getattr(settings, item.name)
        if is_dataclass(value):
            yield from setting_paths(value, f"{prefix}{item.name}.")
        else:
            yield prefix + item.name, value


def check_resolutions(settings: FitSettings, resolutions: Sequence[int]) -> None:
    """Raise InputError unless a generator with these resolutions makes maps of the texels of every
    stage that runs."""
    for path, value in setting_paths(settings):
        if getattr(getattr(settings, path.split(".")[0]), "steps", 1) == 0:
            continue
        if path.endswith(".texels") and value not in resolutions:
            known = ", ".join(str(side) for side in resolutions if side >= SMALLEST_MAP)
            raise InputError(
                f"{path}={value}: the generator has no maps of that side; --set {path}=SIDE, "
                f"where SIDE is one of {known}"
            )


def override(settings: FitSettings, changes: Mapping[str, str | float | bool]) -> FitSettings:
    """`settings` with some replaced, by path; values may be text, as in `--set tune.steps=60`.

    Raises InputError for an unknown setting and for a value that it cannot have.
    """
    known = dict(setting_paths(settings))
    for path, value in changes.items():
        if path not in known:
            raise InputError(f"unknown setting {path!r}; {_meant(path, list(known))}")
        wanted = _read(path, value, known[path]) if isinstance(value, str) else value
        try:
            settings = _replaced(settings, path.split("."), wanted)
        except InputError as error:
            raise InputError(str(error).replace(path.split(".")[-1], path, 1)) from None
    return settings


def _meant(path: str, known: list[str]) -> str:
    close = [name for name in known if name == path.replace("_", ".", 1)]
    close = close or difflib.get_close_matches(path, known, 3, 0.6)
    return f"did you mean {', '.join(close)}?" if close else "`fitme presets` lists them"


def _replaced(settings: Any, path: list[str], value: float | bool | str) -> Any:
    name, *rest = path
    inner = _replaced(getattr(settings, name), rest, value) if rest else value
    return replace(settings, **{name: inner})


def _read(path: str, text: str, like: float | bool | str) -> float | bool | str:
    """`text` as a value of the type of `like`."""
    if isinstance(like, str):
        return text
    if isinstance(like, bool):
        if text.lower() in ("true", "false"):
            return text.lower() == "true"
        raise InputError(f"{path}={text}: give true or false")
    try:
        return type(like)(text)
    except ValueError:
        kind = "a whole number" if isinstance(like, int) else "a number"
        raise InputError(f"{path}={text}: give {kind}") from None
