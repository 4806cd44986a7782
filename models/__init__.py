"""Everything learned: network definitions, trained files, their cards and recipes."""

from pathlib import Path


def weight_path(name: str) -> Path:
    """Where a trained file that comes with the package lies."""
    return Path(__file__).parent / "weights" / name
