"""The results of a batch as tables: `summary.csv`, and plain data for JSON."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from fitme.batch.task import Result

QUALITY = ("score", "landmark_error", "color_error", "structure", "warnings")
COLUMNS = ("subject", "status", "reason", *QUALITY, "seconds", "photos", "out")


def row(result: Result) -> dict[str, Any]:
    """One result by column; None where there is nothing to say."""
    return {
        "subject": result.name,
        "status": result.status,
        "reason": result.reason,
        **{name: result.quality.get(name) for name in QUALITY},
        "seconds": result.seconds,
        "photos": result.photos,
        "out": result.directory if result.status == "done" else None,
    }


def summary_csv(results: Sequence[Result]) -> bytes:
    """The table in the order of the subjects, UTF-8."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row(result) for result in results)
    return text.getvalue().encode("utf-8")


def counts(results: Sequence[Result]) -> dict[str, int]:
    """How many are done, of them skipped since an earlier run had done them, failed, pending."""
    status = Counter(result.status for result in results)
    skipped = sum(result.earlier and result.status == "done" for result in results)
    return {
        "done": status["done"],
        "skipped": skipped,
        "failed": status["failed"],
        "pending": status["pending"],
    }
