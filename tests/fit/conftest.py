"""The shipped models and masks, loaded once for all tests of the fit."""

from __future__ import annotations

import pytest

from fitme.fit.models import Models
from fitme.head.model import HeadModel
from fitme.reflectance.regions import AtlasRegions


@pytest.fixture(scope="session")
def models() -> Models:
    return Models.load()


@pytest.fixture(scope="session")
def head(models: Models) -> HeadModel:
    return models.head


@pytest.fixture(scope="session")
def regions(models: Models) -> AtlasRegions:
    return models.regions
