"""What is installed."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version(package: str = "fitme") -> str | None:
    """The version of an installed package; None where it is not, as fitme run from a checkout."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None
