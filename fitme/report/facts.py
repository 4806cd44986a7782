"""What a report says in words and tables: facts of the run, timings, and what to be wary of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fitme.avatar.model import Avatar
from fitme.head.view import head_angles
from fitme.report.panels import PhotoPanels

HIGH_LANDMARK_ERROR = (
    0.025  # of the distance between the eyes; the worst of 800 portraits had 2.3 %
)
HIGH_MASKED = 0.35
LOW_PSNR = 20.0
WIDE_YAW = 45.0


def notes(
    avatar: Avatar, panels: Sequence[PhotoPanels | None], given: Sequence[Sequence[str]] = ()
) -> list[str]:
    """Sentences, not escaped, about what may be wrong; `given` are the photos' own notes."""
    several = len(avatar.photos) > 1
    noted = fit_notes(avatar.about)
    out = [
        ("Warning: " if note["severity"] == "warning" else "")
        + (f"{note['photo']}: " if several else "")
        + note["text"]
        for note in noted
    ]
    kinds = {note["kind"] for note in noted}
    for index, photo in enumerate(avatar.photos):
        name = f"{photo.path.name}: " if several else ""
        out += [f"{name}{note}" for note in (given[index] if index < len(given) else ())]
        if "landmarks" not in kinds and photo.landmark_error > HIGH_LANDMARK_ERROR:
            out.append(
                f"{name}The landmarks lie {100 * photo.landmark_error:.1f} % of the distance"
                " between the eyes from where they were seen, which is more than usual: the head"
                " may sit badly. A sharper, more frontal photo helps."
            )
        yaw = head_angles(photo.view.camera().world_to_camera[0, :3, :3])["yaw_deg"]
        if abs(yaw) > WIDE_YAW and not several and "pose" not in kinds:
            out.append(
                f"The head is turned by {abs(yaw):.0f}°, so one half of the face is hardly seen"
                " and follows from the other and from the generator."
            )
        seen = panels[index] if index < len(panels) else None
        if seen is None:
            continue
        if seen.masked is not None and seen.masked > HIGH_MASKED:
            out.append(
                f"{name}{100 * seen.masked:.0f} % of the face was left out as hair, glasses,"
                " shadow or a hand; there the maps are the generator's guess."
            )
        if seen.psnr is not None and seen.psnr < LOW_PSNR:
            out.append(
                f"{name}The render differs much from the photo (PSNR {seen.psnr:.1f} dB):"
                " strong shadows or make-up may lie in the maps or be missing."
            )
    return out


def fit_notes(about: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the fit noted about its photos, as far as `fit.json` has it in the right form."""
    found = about.get("notes")
    keys = ("kind", "severity", "text", "photo")
    return [
        {key: note[key] for key in keys}
        for note in (found if isinstance(found, list) else [])
        if isinstance(note, Mapping) and all(isinstance(note.get(key), str) for key in keys)
    ]


def facts(avatar: Avatar, panels: Sequence[PhotoPanels | None]) -> list[tuple[str, str]]:
    """(name, value) for the head of the page, not escaped."""
    about = avatar.about
    out = []
    if avatar.photos:
        error = max(photo.landmark_error for photo in avatar.photos)
        out.append(("Landmark error", f"{100 * error:.2f} %"))
    known = [p.psnr for p in panels if p is not None and p.psnr is not None]
    if known:
        out.append(("PSNR in the face", f"{sum(known) / len(known):.1f} dB"))
    size = avatar.materials[avatar.head.part_names.index("head")].diffuse_albedo.shape[1:3]
    out.append(("Maps", f"{size[1]} \N{MULTIPLICATION SIGN} {size[0]}"))
    seconds = timings(about)
    if seconds:
        out.append(("Time", f"{seconds.get('total', sum(seconds.values())):.0f} s"))
    for name, key in (("Preset", "preset"), ("Device", "device"), ("Seed", "seed")):
        if isinstance(about.get(key), str | int):
            out.append((name, str(about[key])))
    return out


def timings(about: Mapping[str, Any]) -> dict[str, float]:
    """Seconds per stage as far as `fit.json` has them."""
    found = about.get("timings_s")
    if not isinstance(found, Mapping):
        return {}
    return {
        str(k): float(v) for k, v in found.items() if isinstance(v, int | float) and 0 <= v < 1e9
    }


def timing_table(about: Mapping[str, Any]) -> str:
    """The timings as a table with bars, or nothing."""
    found = timings(about)
    stages = {name: value for name, value in found.items() if name != "total"}
    if not stages:
        return ""
    longest = max(stages.values()) or 1.0
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{value:.1f} s</td>'
        f'<td class="bar"><i style="width:{100 * value / longest:.1f}%"></i></td></tr>'
        for name, value in stages.items()
    )
    total = found.get("total", sum(stages.values()))
    return (
        f'<table class="timings"><tbody>{rows}</tbody><tfoot><tr><th scope="row">total</th>'
        f"<td>{total:.1f} s</td><td></td></tr></tfoot></table>"
    )


def pairs_table(pairs: Mapping[str, Any]) -> str:
    """Names and plain values as a table; other values are left out."""
    rows = "".join(
        f'<tr><th scope="row">{escape(str(name))}</th><td>{escape(str(value))}</td></tr>'
        for name, value in pairs.items()
        if isinstance(value, str | int | float | bool)
    )
    return f'<table class="pairs"><tbody>{rows}</tbody></table>' if rows else ""


def photo_facts(avatar: Avatar, index: int, panels: PhotoPanels | None) -> str:
    """One line of numbers about a photo, escaped."""
    photo = avatar.photos[index]
    view = photo.view
    angles = head_angles(view.camera().world_to_camera[0, :3, :3])
    parts = [
        f"{view.width} \N{MULTIPLICATION SIGN} {view.height}",
        f"landmark error {100 * photo.landmark_error:.2f} %",
        *(f"{key} {angles[f'{key}_deg']:+.0f}°" for key in ("yaw", "pitch", "roll")),
        f"distance {float(view.translation.norm()):.2f} m",
    ]
    if panels is not None and panels.psnr is not None:
        parts.append(f"mean difference {panels.mean_difference:.3f}")
        parts.append(f"PSNR {panels.psnr:.1f} dB")
    if panels is not None and panels.masked is not None:
        parts.append(f"{100 * panels.masked:.0f} % of the face masked")
    return escape(" · ".join(parts))
