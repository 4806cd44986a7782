"""The shipped head and its regions, loaded once for all tests of the fit."""

from __future__ import annotations

import pytest

from fitme.head.model import HeadModel, load_head
from fitme.reflectance.regions import AtlasRegions


@pytest.fixture(scope="session")
def head() -> HeadModel:
    return load_head()


@pytest.fixture(scope="session")
def regions(head: HeadModel) -> AtlasRegions:
    return AtlasRegions(head, 256)
