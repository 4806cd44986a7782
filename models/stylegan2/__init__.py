"""StyleGAN2 with branches per modality: the networks behind the reflectance prior.

Sources: StyleGAN2 (arXiv 1912.04958), StyleGAN2-ADA (arXiv 2006.06676), the branched layout of
FitMe (arXiv 2305.09641). Written from the papers.
"""

from fitme.models.stylegan2.config import (
    GENERATORS,
    DiscriminatorConfig,
    GeneratorConfig,
    discriminator_config,
)
from fitme.models.stylegan2.discriminator import Discriminator
from fitme.models.stylegan2.generator import ReflectanceGenerator, load_generator
from fitme.models.stylegan2.maps import ReflectanceMaps, mirror_signal
from fitme.models.stylegan2.synthesis import Window

__all__ = [
    "GENERATORS",
    "Discriminator",
    "DiscriminatorConfig",
    "GeneratorConfig",
    "ReflectanceGenerator",
    "ReflectanceMaps",
    "Window",
    "discriminator_config",
    "load_generator",
    "mirror_signal",
]
