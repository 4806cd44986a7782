"""From parameters of a training draw to z ~ N(0, I): why no network has to be fitted to W.

The mapping network is trained as the encoder itself. Each parameter is sent through its own
cumulative distribution and the inverse normal one (the probability integral transform); ties
and jumps of the distribution (parameters cut at a limit, categories) are spread evenly over
their interval with a random number. Since parameters are drawn independently, the vector of
scores is exactly N(0, I), and so is z once free normal dimensions are appended. Regression
M(z(parameters)) -> maps then leaves nothing to be matched: z ~ N(0, I) gives by construction
the distribution of w that the training saw, and z keeps a name for each of its dimensions.
The free dimensions mean nothing to the regression; the adversarial phase may use them for what
the parameters do not say.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

KNOTS = 1024
_MAX_CORRELATION = 0.1


@dataclass(frozen=True)
class ParameterPrior:
    """The marginal distributions of P parameters as quantiles."""

    knots: Tensor  # [P,KNOTS] float32, ascending; knot k is the (k + 1/2) / KNOTS quantile

    @staticmethod
    def fit(parameters: Tensor) -> ParameterPrior:
        """From draws [N,P], N in the ten thousands. Raises ValueError if they depend."""
        samples = parameters.double()
        varying = samples.std(0) > 0
        if int(varying.sum()) > 1:
            correlation = torch.corrcoef(samples[:, varying].T) - torch.eye(int(varying.sum()))
            worst = float(correlation.abs().max())
            # sqrt(1/N) is the correlation of independent draws; 5 of them do not occur by chance.
            if worst > _MAX_CORRELATION + 5 / math.sqrt(len(samples)):
                raise ValueError(f"parameters must be independent; correlation {worst:.2f} found")
        levels = (torch.arange(KNOTS, dtype=torch.float64) + 0.5) / KNOTS
        knots = torch.quantile(samples, levels, dim=0).T
        return ParameterPrior(knots.float().contiguous())

    def to(self, device: torch.device | str) -> ParameterPrior:
        return ParameterPrior(self.knots.to(device))

    def scores(self, parameters: Tensor, jitter: Tensor) -> Tensor:
        """parameters [B,P], jitter [B,P] uniform in (0, 1) -> normal scores [B,P]."""
        values = parameters.T.contiguous()
        spread = jitter.T
        below = torch.searchsorted(self.knots, values).double()  # knots < value
        upto = torch.searchsorted(self.knots, values, right=True).double()  # knots <= value
        index = below.long().clamp(1, KNOTS - 1)
        low, high = self.knots.gather(1, index - 1), self.knots.gather(1, index)
        inside = ((values - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
        # Between knots by interpolation; in the half cells at both ends, and on a step of the
        # distribution (several knots of one value), anywhere with equal probability.
        level = torch.where(
            upto - below > 1,
            below + (upto - below) * spread,
            torch.where(
                below < 1,
                0.5 * spread,
                torch.where(below > KNOTS - 1, KNOTS - 0.5 * spread, below - 0.5 + inside),
            ),
        )
        uniform = (level / KNOTS).clamp(1e-6, 1 - 1e-6)
        return (math.sqrt(2) * torch.erfinv(2 * uniform - 1)).T.to(parameters.dtype)

    def parameters(self, scores: Tensor) -> Tensor:
        """The inverse: normal scores [B,P] -> parameters [B,P]."""
        level = (0.5 * (1 + torch.erf(scores.T.double() / math.sqrt(2)))) * KNOTS - 0.5
        index = level.floor().long().clamp(0, KNOTS - 2)
        low, high = self.knots.gather(1, index), self.knots.gather(1, index + 1)
        inside = (level - index).clamp(0, 1).to(low.dtype)
        return torch.lerp(low, high, inside).T

    def z(self, parameters: Tensor, z_dim: int, generator: torch.Generator) -> Tensor:
        """[B,P] -> z [B,z_dim]: scores, then free dimensions. `generator` on its device."""
        batch, count = parameters.shape
        if count > z_dim:
            raise ValueError(f"z of {z_dim} dimensions cannot hold {count} parameters")
        device = parameters.device
        jitter = torch.rand(batch, count, generator=generator, device=device)
        free = torch.randn(batch, z_dim - count, generator=generator, device=device)
        return torch.cat([self.scores(parameters, jitter), free], 1)


def sliced_distance(a: Tensor, b: Tensor, generator: torch.Generator, slices: int = 64) -> float:
    """Sliced Wasserstein-1 distance of two samples [N,D] over their spread: 0 is the same.

    Used to watch that w of training draws and w of z ~ N(0, I) stay one distribution. Two
    samples of N points of one distribution score about 0.8 / sqrt(N).
    """
    axes = torch.randn(a.shape[1], slices, generator=generator).to(a)
    axes = axes / axes.norm(dim=0)
    first, second = (a @ axes).sort(0).values, (b @ axes).sort(0).values
    spread = first.std(0).mean().clamp_min(1e-12)
    return float((first - second).abs().mean() / spread)
