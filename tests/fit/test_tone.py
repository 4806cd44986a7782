"""The skin's tone as the whole photo tells it: where a fit starts, and a term that holds it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fitme.fit.models import Models
from fitme.fit.observation import Observation
from fitme.fit.session import Session
from fitme.fit.stages.start import set_tone
from fitme.fit.terms.tone import SkinTone
from fitme.models.encoder.starts import StartLayout
from fitme.segment.encoder import EncodedFace
from fitme.segment.frame import Frame
from fitme.segment.labels import Label
from fitme.segment.tone import Tone
from tests.fit.made_photo import known_state, photographed, plain

LIGHT, DARK = (0.52, 0.33, 0.24), (0.17, 0.085, 0.052)


def told(albedo: tuple[float, float, float], spread: float = 0.1) -> EncodedFace:
    """An encoder's answer that knows nothing but the tone."""
    layout = StartLayout(1, 1, 1)
    none = torch.zeros(layout.size)
    tone = Tone(Tone.of(torch.tensor(albedo)), torch.full((3,), spread))
    return EncodedFace(
        Frame(0, 0, 64), torch.zeros(len(Label), 8, 8), torch.zeros(1, 2), torch.ones(1), none,
        torch.ones(layout.size), torch.zeros(1, dtype=torch.long), torch.ones(1, 3) / 3, layout,
        tone,
    )  # fmt: skip


@pytest.fixture(scope="module")
def seen(models: Models) -> Observation:
    return photographed(models.head, models.regions, known_state(models.head), plain())


def with_tones(models: Models, seen: Observation, *faces: EncodedFace | None) -> Session:
    observations = [replace(seen, face=replace(seen.face, encoded=face)) for face in faces]
    return Session(models, observations)


@pytest.mark.parametrize("albedo", [LIGHT, DARK])
def test_a_fit_starts_with_the_tone(models: Models, seen: Observation, albedo) -> None:
    session = with_tones(models, seen, told(albedo, 0.05))
    state = known_state(models.head)
    set_tone(session, state)
    term = SkinTone.of(session, 1.0, 64)
    assert term is not None
    found = session.maps(session.pivot(state), 64).diffuse_albedo
    assert term.miss(found).abs().max() < 2  # of a deviation of 5 %
    assert state.person.code.square().mean() < 0.5  # a likely person


def test_nothing_changes_without_a_tone(models: Models, seen: Observation) -> None:
    state = known_state(models.head)
    set_tone(with_tones(models, seen, None), state)
    assert not state.person.code.any()
    gray = replace(seen, photo=replace(seen.photo, was_gray=True))
    assert SkinTone.of(with_tones(models, gray, told(LIGHT)), 1.0, 64) is None


def test_the_term_counts_in_deviations(models: Models, seen: Observation) -> None:
    term = SkinTone.of(with_tones(models, seen, told(LIGHT, 0.1)), 1.0, 64)
    assert term is not None
    skin = torch.tensor(LIGHT).expand(1, 64, 64, 3)
    assert term.miss(skin)[:3].abs().max() < 1e-4
    assert torch.allclose(term.miss(0.9 * skin)[0], torch.tensor(0.9).log() / 0.1, atol=1e-3)


def test_no_beard_is_made_up_for_lighter_cheeks(models: Models, seen: Observation) -> None:
    term = SkinTone.of(with_tones(models, seen, told(LIGHT, 0.1)), 1.0, 64)
    assert term is not None and term.chin is not None
    skin = torch.tensor(LIGHT).expand(1, 64, 64, 3)
    orange = torch.lerp(skin, skin * torch.tensor([0.9, 0.7, 0.45]), term.chin[..., None])
    assert term.miss(skin).abs().max() < 1.5 and term.miss(orange)[3:].abs().max() > 3
    # where a beard is seen the chin may be as dark as it likes
    face = told(LIGHT, 0.1)
    face.labels[Label.SKIN], face.labels[Label.BEARD] = 0.9, 0.1
    bearded = SkinTone.of(with_tones(models, seen, face), 1.0, 64)
    assert bearded is not None and bearded.miss(orange).abs().max() < 0.2


def test_photos_of_one_person_are_joined(models: Models, seen: Observation) -> None:
    session = with_tones(models, seen, told(LIGHT, 0.1), None, told(DARK, 0.1))
    term = SkinTone.of(session, 1.0, 64)
    assert term is not None
    middle = (Tone.of(torch.tensor(LIGHT)) + Tone.of(torch.tensor(DARK))) / 2
    assert torch.allclose(term.tone.mean, middle, atol=1e-5)
