"""The parameters of a synthetic face: what varies, by name, and how it is drawn.

Every parameter is either standard normal ("normal") or uniform in 0..1 ("unit"), all independent,
so that a mapping network can be trained to take them. What goes together in people (dark skin and
dark hair, age and wrinkles, beards and make-up) is tied in the synthesizer's formulas, by way of
`tone`, `age` and `masculine`.
"""

from __future__ import annotations

import torch
from torch import Tensor

NORMAL, UNIT = "normal", "unit"

PARAMETERS: tuple[tuple[str, str], ...] = (
    # person
    ("tone", UNIT),  # individual typology angle, -50 (0) to 60 degrees (1)
    ("age", UNIT),  # 18 to 85 years, roughly
    ("masculine", UNIT),  # beards above, make-up below one half
    # skin colour
    ("blood", NORMAL), ("yellow", UNIT), ("contrast", NORMAL), ("mottling", NORMAL),
    ("cheek_blood", NORMAL), ("nose_blood", NORMAL), ("ear_blood", NORMAL),
    ("lid_dark", NORMAL), ("under_eye_dark", NORMAL), ("forehead_dark", NORMAL),
    ("perioral_dark", NORMAL), ("neck_dark", NORMAL),
    # lips
    ("lip_blood", NORMAL), ("lip_dark", NORMAL), ("lip_fullness", NORMAL), ("lip_border", NORMAL),
    # hair colour: black (1) to blond (0), redness, early or late grey
    ("hair_dark", UNIT), ("hair_red", UNIT), ("hair_grey", UNIT),
    # brows
    ("brow_density", NORMAL), ("brow_thickness", NORMAL), ("brow_arch", NORMAL),
    ("brow_height", NORMAL), ("brow_tilt", NORMAL), ("brow_length", NORMAL), ("brow_gap", NORMAL),
    ("brow_taper", NORMAL), ("brow_hair_length", NORMAL), ("brow_mess", NORMAL),
    ("brow_asymmetry", NORMAL),
    # lashes
    ("lash_density", NORMAL), ("lash_length", NORMAL),
    # beard: shaven below 0.45, then by length; which parts are grown
    ("beard", UNIT), ("beard_density", NORMAL), ("moustache", UNIT), ("chin_beard", UNIT),
    ("cheek_beard", UNIT), ("neck_beard", UNIT), ("beard_line", NORMAL), ("shadow", UNIT),
    # hair of the head, as a tint of the scalp
    ("scalp_hair", UNIT), ("hairline", NORMAL),
    # marks: absent below a threshold
    ("freckles", UNIT), ("moles", UNIT), ("age_spots", UNIT), ("acne", UNIT), ("scars", UNIT),
    ("veins", UNIT),
    # make-up
    ("lipstick", UNIT), ("lipstick_hue", UNIT), ("lipstick_dark", UNIT), ("rouge", UNIT),
    ("eyeshadow", UNIT), ("eyeshadow_hue", UNIT), ("eyeliner", UNIT), ("foundation", UNIT),
    # relief
    ("pores", NORMAL), ("grain", NORMAL), ("wrinkles", NORMAL), ("forehead_lines", NORMAL),
    ("frown_lines", NORMAL), ("crows_feet", NORMAL), ("under_eye_lines", NORMAL),
    ("nasolabial", NORMAL), ("mouth_lines", NORMAL), ("neck_lines", NORMAL), ("lip_lines", NORMAL),
    # gloss
    ("oiliness", NORMAL), ("lip_gloss", NORMAL),
)  # fmt: skip

NAMES: tuple[str, ...] = tuple(name for name, _ in PARAMETERS)
COUNT = len(PARAMETERS)
_IS_NORMAL = torch.tensor([kind == NORMAL for _, kind in PARAMETERS])
LIMIT = 2.5  # normal parameters are cut here: beyond, faces become caricatures


class Face:
    """Parameters [B,P] by name: `face["age"]` is [B]; `face.image("age")` is [B,1,1]."""

    def __init__(self, parameters: Tensor) -> None:
        if parameters.ndim != 2 or parameters.shape[1] != COUNT:
            raise ValueError(f"parameters: wanted [B,{COUNT}], got {list(parameters.shape)}")
        kinds = _IS_NORMAL.to(parameters.device)
        self.values = torch.where(
            kinds, parameters.clamp(-LIMIT, LIMIT), parameters.clamp(0, 1)
        ).float()

    def __getitem__(self, name: str) -> Tensor:
        return self.values[:, NAMES.index(name)]

    def image(self, name: str) -> Tensor:
        return self[name][:, None, None]

    def scale(self, name: str, spread: float) -> Tensor:
        """Log-normal factor exp(spread * value), [B]."""
        return (spread * self[name]).exp()

    def amount(self, name: str, threshold: float) -> Tensor:
        """0 below the threshold of a unit parameter, then rising linearly to 1, [B]."""
        return ((self[name] - threshold) / (1 - threshold)).clamp_min(0)

    @property
    def tone_degrees(self) -> Tensor:
        """Individual typology angle aimed at, [B] degrees."""
        return -50 + 110 * self["tone"]

    @property
    def bearded(self) -> Tensor:
        """Whether facial hair grows, [B] in 0..1."""
        return ((self["masculine"] - 0.5) / 0.08).clamp(0, 1)

    @property
    def made_up(self) -> Tensor:
        """Whether make-up is worn at all, [B] in 0..1."""
        return ((0.5 - self["masculine"]) / 0.08).clamp(0, 1)

    @property
    def wear(self) -> Tensor:
        """How far the skin has aged, [B]: 0 young, about 1 at 70 years, scattered."""
        return self["age"] ** 1.6 * self.scale("wrinkles", 0.3)


def draw_parameters(batch: int, generator: torch.Generator) -> Tensor:
    """[B,P] from the prior; the generator lives on the CPU."""
    normal = torch.randn(batch, COUNT, generator=generator).clamp(-LIMIT, LIMIT)
    unit = torch.rand(batch, COUNT, generator=generator)
    return torch.where(_IS_NORMAL, normal, unit)
