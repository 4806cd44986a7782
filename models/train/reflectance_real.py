"""What portraits teach the generator, in closed form: its linear base takes in real reflectance.

    python -m fitme.models.train.reflectance_real RUN --out WEIGHTS [--held-out RUN] [--modes 24]

RUN is a folder of `fitme.models.train.harvest`. Per texel of the diffuse albedo's raw signal:

1. the weighted mean of what W leaves unexplained, and its ridge regression on the leading
   coefficients of the base: added to the base's mean and to those components;
2. principal components of the rest with weights for missing data, by imputation with the current
   components (Srebro and Jaakkola, Weighted low-rank approximations, ICML 2003), shrunk by what
   noise adds (Tipping and Bishop, Probabilistic PCA, 1999): appended to the base.

The coefficients of the new components read directions of W that samples hardly use. Every other
layer is made blind to these, so that specular albedo, normals and detail stay as they were.
Faces count as the mean of themselves and their mirror images: what remains of side light and cast
shadows is not symmetric, skin nearly is. Rare tones count more.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import safetensors
import torch
import torch.nn.functional as F
from torch import Tensor

from fitme.head.curves import smoothstep
from fitme.head.model import HeadModel, load_head
from fitme.image.color import linear_to_srgb
from fitme.models import weight_path
from fitme.models.stylegan2 import ReflectanceGenerator, ReflectanceMaps
from fitme.models.stylegan2.generator import load_generator
from fitme.models.stylegan2.layers import EqualLinear
from fitme.models.stylegan2.maps import mirror_signal
from fitme.models.stylegan2.synthesis import LinearBase
from fitme.models.train.harvest import Harvest, light_field, load_harvests, normals_of, shrunk
from fitme.models.train.reflectance_base import base_of
from fitme.reflectance.atlas import ambient_visibility
from fitme.reflectance.generated import WCode
from fitme.reflectance.regions import AtlasRegions

LEADING = 16  # coefficients of the base that what W gets wrong may depend on
MEAN_RIDGE, SLOPE_RIDGE = 3.0, 30.0  # in portraits that show a texel well
SEEN = 0.7  # weight from which a texel counts in full
BLUR = 0.8  # texels: finer differences are pixels and misregistration
OUTLIER, SHINE = 0.30, 0.12  # log ratios; bare skin darker than one is glasses or hair, lighter
# than the other a highlight
RIM = 0.04  # of the atlas
SKIN_COLOUR = 0.4  # share of the rest's colour on skin: coloured light explains as much
MEN = 0.5  # of the mean correction where beards grow: most portraits show men
COVERED = (0.15, 0.55)  # mean weight of texels between which what is learned fades in
LIGHTEST, DARKEST = 0.92, 0.004  # of albedos
TONE_BIN, TONE_GAIN = 15.0, 4.0  # degrees; a rare tone counts at most so much more
VARIANCE = (2.0, 1.5)  # of the new directions of W, first and last
ITERATIONS = 60


@dataclass(frozen=True)
class Residuals:
    """What the generator lacks for N portraits, in raw signals of the diffuse albedo."""

    values: Tensor  # [N,3,R,R]
    weight: Tensor  # [N,R,R] in 0..1
    coefficients: Tensor  # [N,C] of the generator's base
    share: Tensor  # [N] how much each portrait counts, 1 on average

    def symmetric(self, turn: Tensor) -> Residuals:
        """The weighted means with the mirror images; turn [C,C] from `mirror_of_base`."""
        other = self.weight.flip(-1)
        both = (self.weight + other)[:, None].clamp_min(1e-6)
        values = self.values * self.weight[:, None] + self.values.flip(-1) * other[:, None]
        coefficients = (self.coefficients + self.coefficients @ turn.T) / 2
        return Residuals(values / both, torch.maximum(self.weight, other), coefficients, self.share)


@dataclass(frozen=True)
class FaceAtlas:
    """What is known of the texels, all [R,R] in 0..1 but the normals."""

    normals: Tensor  # [R,R,3] of the mean head
    visible: Tensor  # ambient visibility
    plain: Tensor  # skin without brows, lips, upper lip and chin
    strict: Tensor  # plain skin where nothing dark and small belongs: forehead, cheeks, nose
    inner: Tensor  # the frontal face without its rim, where collars, hair and shadows lie
    beard: Tensor  # upper lip, chin and jaw
    painted: Tensor  # lips and lids

    @staticmethod
    def of(head: HeadModel, texels: int) -> FaceAtlas:
        regions = AtlasRegions(head, 256)

        reach = round(RIM * texels)
        face = shrunk(regions["face"], texels)[None, None]
        inner = -F.max_pool2d(-face, 2 * reach + 1, 1, reach)[0, 0]
        beard, flanks = shrunk(regions.beard, texels), shrunk(regions.flanks, texels)
        plain = 1 - torch.maximum(shrunk(regions.marked_or_lids, texels), beard)
        return FaceAtlas(
            normals_of(head, head.mean[None], texels),
            ambient_visibility(head, texels), plain, plain * (1 - flanks),
            blurred(inner, torch.ones_like(inner), 2 * BLUR), torch.maximum(beard, flanks),
            shrunk(regions.painted, texels),
        )  # fmt: skip

    def cleaned(self, ratio: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
        """A harvested log ratio [3,R,R] and its weight [R,R] without highlights, dark outliers on
        bare skin and what light explains of the rest."""
        weight = weight * self.inner
        smooth = blurred(ratio.mean(0), weight)
        miss = torch.where(smooth > 0, smooth / SHINE, smooth / OUTLIER)
        weight = weight * torch.lerp(torch.ones_like(miss), 1 / (1 + miss**4), self.strict)
        image = ratio.movedim(0, -1)
        sure = weight * (0.2 + 0.8 * self.plain)
        rest = image - light_field(image, sure, self.normals, self.visible)
        grey = rest.mean(-1, keepdim=True)
        share = SKIN_COLOUR + (1 - SKIN_COLOUR) * self.painted[..., None]
        return (grey + share * (rest - grey)).movedim(-1, 0), weight


@dataclass(frozen=True)
class Correction:
    """What W gets wrong on average, and with the tone."""

    mean: Tensor  # [3,R,R]
    slopes: Tensor  # [L,3,R,R] per unit of the base's leading coefficients

    def of(self, coefficients: Tensor) -> Tensor:
        """For coefficients [N,C] of the base: [N,3,R,R]."""
        leading = coefficients[:, : len(self.slopes)]
        return self.mean + torch.einsum("nl,lchw->nchw", leading, self.slopes)


@torch.no_grad()
def residuals(
    generator: ReflectanceGenerator, harvests: Sequence[Harvest], atlas: FaceAtlas | None = None
) -> Residuals:
    """Log ratios as changes of the raw signal around each portrait's own."""
    base, codes = base_of(generator), WCode(generator)
    texels = base.resolution
    values, weights, coefficients = [], [], []
    for harvest in harvests:
        w = codes.w(harvest.code[None].to(codes.mean))
        signal = generator.signals(w, texels)[texels]
        weight, ratio = (harvest.weight / SEEN).clamp(0, 1), harvest.ratio
        if atlas is not None:
            ratio, weight = atlas.cleaned(ratio, weight)
        values.append(blurred(raw_change(signal, ratio[None])[0], weight))
        weights.append(weight)
        coefficients.append(base.coefficients(w)[0])
    share = tone_shares(torch.tensor([harvest.tone for harvest in harvests]))
    return Residuals(torch.stack(values), torch.stack(weights), torch.stack(coefficients), share)


def raw_change(signal: Tensor, ratio: Tensor) -> Tensor:
    """What is to be added to the raw signal, for log ratios [B,3,R,R] of the diffuse albedo of
    signals [B,6,R,R]: [B,3,R,R]."""
    albedo = ReflectanceMaps.from_signal(signal).diffuse_albedo.movedim(-1, 1)
    albedo = albedo.clamp(DARKEST, LIGHTEST)

    def raw(linear: Tensor) -> Tensor:
        return torch.atanh(2 * linear_to_srgb(linear) - 1)

    return raw((albedo * ratio.exp()).clamp(DARKEST, LIGHTEST)) - raw(albedo)


def tone_shares(tones: Tensor) -> Tensor:
    """[N] degrees -> [N] weights of mean 1: inverse to how common the tone is, within limits."""
    bins = (tones / TONE_BIN).floor()
    count = (bins[:, None] == bins).sum(1).float()
    share = (count.max() / count).clamp_max(TONE_GAIN)
    return share / share.mean()


def blurred(values: Tensor, weight: Tensor, sigma: float = BLUR) -> Tensor:
    """Values [...,R,R] smoothed over `sigma` texels where weight [R,R] is; 0 where nothing is."""
    reach = math.ceil(3 * sigma)
    line = torch.exp(-torch.arange(-reach, reach + 1).square() / (2 * sigma**2)).to(values)
    line = line / line.sum()

    def blur(x: Tensor) -> Tensor:
        x = F.conv2d(x, line.view(1, 1, -1, 1), padding=(reach, 0))
        return F.conv2d(x, line.view(1, 1, 1, -1), padding=(0, reach))

    flat = values.reshape(-1, 1, *values.shape[-2:])
    below = blur(weight[None, None])
    return (blur(flat * weight) / below.clamp_min(1e-4) * (below > 1e-3)).view_as(values)


def mirror_of_base(base: LinearBase) -> Tensor:
    """[C,C]: coefficients of mirrored maps from those of the maps."""
    flat = base.components.flatten(1).double()
    turned = mirror_signal(base.components).flatten(1).double()
    return torch.linalg.lstsq(flat.T, turned.T).solution.float()


def correction(data: Residuals, atlas: FaceAtlas | None = None) -> Correction:
    """Ridge regression of the residuals per texel on a constant and the leading coefficients."""
    leading = data.coefficients[:, :LEADING]
    x = torch.cat([torch.ones_like(leading[:, :1]), leading], 1)  # [N,1+L]
    weight = (data.weight * data.share[:, None, None]).flatten(1)  # [N,T]
    ridge = torch.full((x.shape[1],), SLOPE_RIDGE)
    ridge[0] = MEAN_RIDGE
    normal = torch.einsum("nt,ni,nj->tij", weight, x, x) + torch.diag(ridge)
    right = torch.einsum("nt,ni,nct->tic", weight, x, data.values.flatten(2))
    found = torch.linalg.solve(normal, right)  # [T,1+L,3]
    maps = found.permute(1, 2, 0).unflatten(2, data.values.shape[-2:])
    fade = faded(data)
    mean = maps[0] * fade
    if atlas is not None:
        mean = mean * (1 - (1 - MEN) * atlas.beard)
    return Correction(mean, maps[1:] * fade)


def faded(data: Residuals) -> Tensor:
    """[R,R] in 0..1: 0 where hardly a portrait shows the texel, with a soft border."""
    covered = (data.weight * data.share[:, None, None]).mean(0)
    covered = blurred(covered, torch.ones_like(covered), 2 * BLUR)
    return smoothstep(*COVERED, covered)


def modes(data: Residuals, count: int) -> Tensor:
    """Principal components [count,3,R,R] of what is left, each times its standard deviation."""
    texels = (data.weight.sum(0) > 0.5).flatten()
    share = data.share.sqrt()[:, None]
    # Faded before, so that the rim, where little is known, makes no mode of its own.
    values = (data.values * faded(data)).flatten(2)[:, :, texels].flatten(1) * share
    weight = data.weight.flatten(1)[:, None, texels].expand(-1, 3, -1).flatten(1)
    found, _ = masked_components(values, weight, count)
    full = data.values.new_zeros(count, 3, len(texels))
    full[:, :, texels] = found.unflatten(1, (3, -1))
    full = full.unflatten(2, data.values.shape[-2:])
    even = torch.ones(data.values.shape[-2:])
    return blurred(full, even)


def masked_components(
    values: Tensor, weight: Tensor, count: int, iterations: int = ITERATIONS
) -> tuple[Tensor, Tensor]:
    """Of rows [M,P] with weights [M,P] in 0..1: components [count,P] times their standard
    deviation, coefficients [M,count] of unit variance. Rows have mean 0."""
    known, rebuilt = values * weight, torch.zeros_like(values)
    for _ in range(iterations):
        filled = known + (1 - weight) * rebuilt
        variance, axes = torch.linalg.eigh((filled @ filled.T).double())
        noise = variance[:-count].clamp_min(0).mean()
        variance, axes = variance[-count:].flip(0), axes[:, -count:].flip(1).to(values)
        size = variance.clamp_min(1e-12).sqrt()
        kept = ((variance - noise).clamp_min(0).sqrt()).to(values)
        lines = (axes.T @ filled) / size.to(values)[:, None]
        rebuilt = (axes * kept) @ lines
    rows = len(values) ** 0.5
    return lines * (kept / rows)[:, None], axes * rows


@torch.no_grad()
def extended(
    generator: ReflectanceGenerator, change: Correction, new: Tensor
) -> ReflectanceGenerator:
    """A generator with the correction and the modes `new` [K,3,R,R] in its base.

    A unit of each new direction of W, see `ReflectanceGenerator.photo_directions`, is one mode.
    """
    base, count = base_of(generator), len(new)
    low, components = generator.config.base
    config = replace(
        generator.config, base=(low, components + count),
        photo_modes=generator.config.photo_modes + count,
    )  # fmt: skip
    larger = ReflectanceGenerator(config)
    state = generator.state_dict()
    own = larger.state_dict()
    for name, value in state.items():
        own[name][tuple(slice(n) for n in value.shape)] = value
    larger.load_state_dict(own)
    _, axes = torch.linalg.eigh(generator.w_covariance.double())
    unused = axes[:, :count].T  # [K,w_dim], orthonormal
    for module in larger.synthesis.modules():
        if isinstance(module, EqualLinear):
            _blind(module, unused, generator.w_mean)
    grown = base_of(larger)
    leading = len(change.slopes)
    grown.mean.copy_(base.mean)
    grown.mean[:3] += change.mean
    grown.components[:leading, :3] += change.slopes
    grown.components[components:] = 0
    grown.components[components:, :3] = new
    spread = torch.linspace(*VARIANCE, count, dtype=torch.float64).sqrt()[:, None]
    rows = (unused / spread).to(grown.coefficients.weight)
    grown.coefficients.weight[components:] = rows / grown.coefficients.scale
    grown.coefficients.bias[components:] = -rows @ generator.w_mean
    steps = (unused * spread).to(generator.w_covariance)
    larger.w_covariance.copy_(generator.w_covariance + steps.T @ steps)
    return larger.eval().requires_grad_(False)


def _blind(layer: EqualLinear, unused: Tensor, mean: Tensor) -> None:
    """Make a layer ignore directions [K,w_dim] of W; at the mean of W it gives what it gave."""
    lost = layer.weight.double() @ unused.T @ unused
    layer.weight.sub_(lost.to(layer.weight))
    layer.bias.add_((lost @ mean.double()).to(layer.bias) * (layer.scale / layer.rate))


def learn(
    generator: ReflectanceGenerator, harvests: Sequence[Harvest], count: int,
    atlas: FaceAtlas | None = None,
) -> tuple[Correction, Tensor]:  # fmt: skip
    """The correction, and `count` modes [count,3,R,R]."""
    turn = mirror_of_base(base_of(generator))
    data = residuals(generator, harvests, atlas).symmetric(turn)
    change = correction(data, atlas)
    rest = replace(data, values=data.values - change.of(data.coefficients))
    return change, modes(rest, count) if count else rest.values.new_zeros(0, *rest.values.shape[1:])


# How well it carries over


def unexplained(data: Residuals, change: Correction | None, new: Tensor) -> Tensor:
    """[N]: weighted mean square that is left after the correction and the best mix of the modes,
    with the modes' prior."""
    values = data.values if change is None else data.values - change.of(data.coefficients)
    left = []
    for value, weight in zip(values.flatten(1), data.weight, strict=True):
        w = weight.expand(3, -1, -1).flatten()
        if len(new):
            flat = new.flatten(1)
            noise = 0.1**2 * 20  # of texels that err alike
            normal = (flat * w) @ flat.T + noise * torch.eye(len(flat))
            value = value - torch.linalg.solve(normal, (flat * w) @ value) @ flat
        left.append((w * value.square()).sum() / w.sum())
    return torch.stack(left)


def nearest(data: Residuals, change: Correction, new: Tensor, count: int, seed: int = 0) -> Tensor:
    """[N]: root mean square distance of each portrait's residual to the nearest of `count` random
    samples of the modes, over its residual's own size."""
    draws = torch.randn(count, len(new), generator=torch.Generator().manual_seed(seed))
    made = draws @ new.flatten(1)  # [S,P]
    values = (data.values - change.of(data.coefficients)).flatten(1)
    found = []
    for value, weight in zip(values, data.weight, strict=True):
        w = weight.expand(3, -1, -1).flatten()
        own = (w * value.square()).sum()
        distance = own - 2 * made @ (w * value) + made.square() @ w
        found.append((distance.min() / own).sqrt())
    return torch.stack(found)


def carried_over(data: Residuals, change: Correction, new: Tensor) -> list[str]:
    """Lines that say what is left of residuals, and how near random samples come to them."""
    zero = unexplained(data, None, new[:0]).mean()
    shares = [f"correction {float(unexplained(data, change, new[:0]).mean() / zero):.3f}"]
    for count in sorted({n for n in (4, 8, 12, 16, 20, 24) if n < len(new)} | {len(new)}):
        left = unexplained(data, change, new[:count]).mean() / zero
        shares.append(f"{count} modes {float(left):.3f}")
    lines = [f"unexplained {', '.join(shares)}"]
    if len(new):
        near = nearest(data, change, new, 200)
        lines.append(f"distance to the nearest of 200 samples over the residual's size, median "
                     f"{float(near.median()):.3f}, least {float(near.min()):.3f}")  # fmt: skip
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--weights", type=Path, help="to start from")
    parser.add_argument("--modes", type=int, default=24)
    parser.add_argument("--held-out", type=Path, metavar="RUN", help="to measure with")
    args = parser.parse_args()
    source = args.weights or weight_path("reflectance.safetensors")
    generator = load_generator(source)
    atlas = FaceAtlas.of(load_head(), base_of(generator).resolution)
    harvests = load_harvests(args.run)
    tones = torch.tensor([harvest.tone for harvest in harvests])
    edges = torch.tensor([-90.0, -30.0, 10.0, 28.0, 41.0, 55.0, 90.0])
    bins = torch.histogram(tones, edges)[0].int().tolist()
    print(f"{len(harvests)} portraits; dark, brown, tan, intermediate, light, very light: {bins}")
    change, new = learn(generator, harvests, args.modes, atlas)
    if args.held_out:
        for name, some in (("harvested", harvests), ("held out", load_harvests(args.held_out))):
            for line in carried_over(residuals(generator, some, atlas), change, new):
                print(f"{name}: {line}")
    larger = extended(generator, change, new)
    with safetensors.safe_open(str(source), "pt") as file:
        notes = {k: v for k, v in (file.metadata() or {}).items() if k not in ("format", "config")}
    notes["photos"] = f"{len(harvests)} portraits, {args.modes} modes"
    larger.save(args.out, notes)
    print(f"wrote {args.out}, {args.out.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
