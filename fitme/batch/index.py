"""`index.html`: every subject of a batch on one page, the doubtful ones first.

Text, style and script are in the one file and pictures lie beside the results, so that the page
opens from a disk without a network and stays small at a thousand subjects.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from urllib.parse import quote

from fitme.batch.progress import duration
from fitme.batch.table import counts
from fitme.batch.task import STATE_DIR, Result

STYLE, SCRIPT = "index.css", "index.js"
GOOD, FAIR = 75.0, 55.0  # scores from which a fit counts as good, and as worth a look
_METRICS = (
    ("landmark_error", "landmarks", 100, "%.2f %%", "distance from the seen landmarks / eyes"),
    ("color_error", "colour", 100, "%.1f %%", "mean difference of photo and render in the face"),
    ("structure", "structure", 1, "%.2f", "SSIM of photo and render in the face, 1 is the best"),
)


def index_html(results: Sequence[Result], root: Path) -> bytes:
    """The page for the results under `root`, worst first: failures, then by score."""
    number = counts(results)
    number["doubtful"] = sum(_grade(result) == "bad" for result in results)
    ordered = sorted(results, key=_rank)
    here = Path(__file__).parent
    style, script = ((here / name).read_text("utf-8") for name in (STYLE, SCRIPT))
    title = f"{len(results)} {'person' if len(results) == 1 else 'people'}"
    tabs = "".join(
        f'<button data-show="{key}"{" class=on" if key == "all" else ""}>{label}'
        f" <b>{count}</b></button>"
        for key, label, count in (
            ("all", "all", len(results)),
            ("failed", "failed", number["failed"]),
            ("bad", f"score under {FAIR:.0f}", number["doubtful"]),
            ("done", "done", number["done"]),
            ("pending", "not done yet", number["pending"]),
        )
        if count or key in ("all", "failed", "bad")
    )
    sorts = "".join(
        f'<option value="{key}">{label}</option>'
        for key, label in (
            ("rank", "worst first"),
            ("-rank", "best first"),
            ("name", "name"),
            ("-landmark_error", "landmarks"),
            ("-color_error", "colour"),
            ("structure", "structure"),
            ("-seconds", "slowest"),
        )
    )
    cards = "\n".join(_card(result, place, root) for place, result in enumerate(ordered))
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' file: data:; style-src 'unsafe-inline';
 script-src 'unsafe-inline'">
<title>fitme batch: {title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>fitme batch <small>{title}, {escape(root.name)}</small></h1>
<nav>{tabs}</nav>
<label>sort <select id="sort">{sorts}</select></label>
<input id="search" type="search" placeholder="find a name" aria-label="find a name">
</header>
<main id="cards">
{cards}
</main>
<p id="none" hidden>nobody here</p>
<footer>Score: 0 to 100, from landmarks, colour and structure in the face; see
<a href="summary.csv">summary.csv</a> for all numbers. Pictures: photo, render.</footer>
<script>
{script}</script>
</body>
</html>
""".encode()


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


def _card(result: Result, place: int, root: Path) -> str:
    grade, out = _grade(result), quote(result.directory)
    data = {"name": result.name, "status": result.status, "grade": grade, "rank": place}
    data |= {key: result.quality[key] for key, *_ in _METRICS if key in result.quality}
    data["seconds"] = result.seconds
    attributes = "".join(f' data-{key}="{escape(str(value))}"' for key, value in data.items())
    target, picture = _target(result, out, root), _picture(result, out, root)
    name = escape(result.name)
    if result.status == "done":
        score = result.quality.get("score")
        badge = "" if score is None else f"<b class=score>{score:.0f}</b>"
        numbers = "".join(
            f'<span title="{hint}">{label} {text % (result.quality[key] * factor)}</span>'
            for key, label, factor, text, hint in _METRICS
            if key in result.quality
        )
        photos = "" if result.photos == 1 else f"<span>{result.photos} photos</span>"
        below = f"<p class=numbers>{numbers}{photos}<span>{duration(result.seconds)}</span></p>"
    elif result.status == "failed":
        badge = "<b class=score>failed</b>"
        below = f"<p class=reason>{escape(result.reason)}</p>"
    else:
        badge, below = "", "<p class=numbers>not done yet</p>"
    inside = f"<div class=picture>{picture}</div><h2><span>{name}</span>{badge}</h2>"
    head = f'<a href="{target}">{inside}</a>' if target else inside
    return f'<article class="{grade}"{attributes}>{head}{below}</article>'


def _target(result: Result, out: str, root: Path) -> str:
    """Where a card leads: the report, else the picture of the fit; of a failure, its log."""
    if result.status == "done":
        report = (root / result.directory / "report.html").is_file()
        return f"{out}/{'report.html' if report else 'overlay_00.png'}"
    log = f"{STATE_DIR}/logs/{result.directory}.log"
    return quote(log) if result.status == "failed" and (root / log).is_file() else ""


def _picture(result: Result, out: str, root: Path) -> str:
    path = f"{result.directory}/thumb.jpg"
    if result.status == "failed":
        path = f"{STATE_DIR}/failed/{result.directory}.jpg"
    if result.status == "pending" or not (root / path).is_file():
        return "<i>no picture</i>"
    # By the time of the file: a redone subject must not show its old picture from a cache.
    stamp = (root / path).stat().st_mtime_ns // 1_000_000
    return f'<img src="{quote(path)}?{stamp}" alt="" loading="lazy">'
