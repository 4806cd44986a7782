"""`index.html`: every subject of a batch on one page, the doubtful ones first.

Text, style and script are in the one file and pictures lie beside the results, so that the page
opens from a disk without a network and stays small at a thousand subjects.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from fitme.batch.progress import duration
from fitme.batch.table import counts
from fitme.batch.task import STATE_DIR, Result
from fitme.runtime.errors import show_path
from fitme.runtime.notes import WARNING, Note, count_notes
from fitme.runtime.pages import package_text, render_page

GOOD, FAIR = 75.0, 55.0  # scores from which a fit counts as good, and as worth a look
_METRICS = (
    ("landmark_error", "landmarks", 100, "%.2f %%", "distance from the seen landmarks / eyes"),
    ("color_error", "colour", 100, "%.1f %%", "mean difference of photo and render in the face"),
    ("structure", "structure", 1, "%.2f", "SSIM of photo and render in the face, 1 is the best"),
)
_SORTS = (
    ("rank", "worst first"),
    ("-rank", "best first"),
    ("name", "name"),
    ("-landmark_error", "landmarks"),
    ("-color_error", "colour"),
    ("structure", "structure"),
    ("-warnings", "warnings"),
    ("-seconds", "slowest"),
)


@dataclass(frozen=True)
class Card:
    """What the page shows of one subject; the template escapes it."""

    name: str
    grade: str  # the class of its colour
    data: Mapping[str, object]  # attributes that the script sorts and filters by
    target: str  # where it leads, or nothing
    picture: str  # address of its picture, or nothing
    badge: str
    reason: str  # of a failure
    numbers: tuple[tuple[str, str], ...]  # texts, and what they mean
    notes: tuple[Note, ...]
    noted: str  # how many notes there are


def index_html(results: Sequence[Result], root: Path) -> bytes:
    """The page for the results under `root`, worst first: failures, then by score."""
    number = counts(results)
    ordered = sorted(results, key=_rank)
    cards = [_card(result, place, root) for place, result in enumerate(ordered)]
    tabs = (
        ("all", "all", len(results)),
        ("failed", "failed", number["failed"]),
        ("bad", f"score under {FAIR:.0f}", sum(card.grade == "bad" for card in cards)),
        ("warned", "with warnings", sum("data-warnings" in card.data for card in cards)),
        ("done", "done", number["done"]),
        ("pending", "not done yet", number["pending"]),
    )
    page = render_page(
        "fitme.batch",
        "index.html.j2",
        title=f"{len(results)} {'person' if len(results) == 1 else 'people'}",
        root=show_path(root.name),
        style=package_text("fitme.batch", "index.css"),
        script=package_text("fitme.batch", "index.js"),
        tabs=[tab for tab in tabs if tab[2] or tab[0] in ("all", "failed", "bad")],
        sorts=_SORTS,
        cards=cards,
    )
    return page.encode("utf-8")


def _rank(result: Result) -> tuple[int, float, str]:
    """Sorts failures to the top, then bad scores; what is still to do comes last."""
    order = {"failed": 0, "done": 1, "pending": 2}[result.status]
    return order, result.quality.get("score", -1.0), result.name


def _grade(result: Result) -> str:
    """A word for the colour of a card."""
    if result.status != "done":
        return result.status
    score = result.quality.get("score")
    if score is None:
        return "plain"
    return "good" if score >= GOOD else "fair" if score >= FAIR else "bad"


def _card(result: Result, place: int, root: Path) -> Card:
    grade, name = _grade(result), show_path(result.name)
    warnings = sum(note.severity == WARNING for note in result.notes)
    data: dict[str, object] = {
        "name": name, "status": result.status, "grade": grade, "rank": place,
        **{key: result.quality[key] for key, *_ in _METRICS if key in result.quality},
        "seconds": result.seconds, "warnings": warnings or None,
    }  # fmt: skip
    score = result.quality.get("score")
    badge = "failed" if result.status == "failed" else "" if score is None else f"{score:.0f}"
    return Card(
        name=name,
        grade=grade,
        data={f"data-{key}": value for key, value in data.items() if value is not None},
        target=_target(result, root),
        picture=_picture(result, root),
        badge="" if result.status == "pending" else badge,
        reason=result.reason if result.status == "failed" else "",
        numbers=_numbers(result),
        notes=result.notes,
        noted=count_notes(result.notes),
    )


def _numbers(result: Result) -> tuple[tuple[str, str], ...]:
    if result.status != "done":
        return (("not done yet", ""),)
    measured = [
        (f"{label} {text % (result.quality[key] * factor)}", hint)
        for key, label, factor, text, hint in _METRICS
        if key in result.quality
    ]
    photos = [] if result.photos == 1 else [(f"{result.photos} photos", "")]
    return (*measured, *photos, (duration(result.seconds), ""))


def _target(result: Result, root: Path) -> str:
    """Where a card leads: the report, else the picture of the fit; of a failure, its log."""
    if result.status == "done":
        report = (root / result.directory / "report.html").is_file()
        return _address(f"{result.directory}/{'report.html' if report else 'overlay_00.png'}")
    log = f"{STATE_DIR}/logs/{result.directory}.log"
    return _address(log) if result.status == "failed" and (root / log).is_file() else ""


def _picture(result: Result, root: Path) -> str:
    """Address of a subject's picture, or nothing."""
    path = f"{result.directory}/thumb.jpg"
    if result.status == "failed":
        path = f"{STATE_DIR}/failed/{result.directory}.jpg"
    if result.status == "pending" or not (root / path).is_file():
        return ""
    # By the time of the file: a redone subject must not show its old picture from a cache.
    stamp = (root / path).stat().st_mtime_ns // 1_000_000
    return f"{_address(path)}?{stamp}"


def _address(path: str) -> str:
    """A path under the page's folder as a link; a name need not be UTF-8."""
    return quote(os.fsencode(path))
