"""Reports of `zoo reproduce`, from one machine or several: drawing a verdict, and adding reports up."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo.check import is_number
from zoo.compare import NOT_REPRODUCED, REPRODUCED, UNDECIDED
from zoo.errors import ZooError

FILE = "reproduce.json"
WIDTH = 49  # columns of a picture: odd, so that a difference of 0 has its own column
_SAME = ("weight", "metric", "sha256", "recipe_sha256")


def picture(report: Mapping[str, Any]) -> str:
    """The interval against the margin, in two lines of plain text; "" if there is no interval.

    `|` are the margins, `0` is no difference, `[`, `o` and `]` are the interval and its middle; an end that lies
    outside the picture is drawn as an arrow at its edge.
    """
    if report["interval"] is None:
        return ""
    (low, high), margin = report["interval"], report["margin"]
    reach = min(max(abs(low), abs(high), margin), 4 * margin) * 1.1

    def column(value: float) -> int:
        return max(0, min(WIDTH - 1, round((value / reach + 1) / 2 * (WIDTH - 1))))

    line = ["."] * WIDTH
    for value, sign in ((-margin, "|"), (margin, "|"), (0.0, "0")):
        line[column(value)] = sign
    for place in range(column(low) + 1, column(high)):
        line[place] = "-" if line[place] == "." else line[place]
    for value, sign, beyond in ((low, "[", "<"), (high, "]", ">"), ((low + high) / 2, "o", "o")):
        line[column(value)] = sign if abs(value) <= reach else beyond
    legend = [" "] * WIDTH
    for value in (-margin, margin):
        text = f"{value:+.4g}"
        start = max(0, min(WIDTH - len(text), column(value) - len(text) // 2))
        legend[start : start + len(text)] = text
    return f"{''.join(line)}  measured - published\n{''.join(legend).rstrip()}"


def read_reports(places: Sequence[str | os.PathLike[str]]) -> list[dict[str, Any]]:
    """The reports in folders that `zoo reproduce --out` wrote, or in files of theirs, all of one weight.

    Raises `ZooError` if there is no report, if one cannot be read, or if one is of another weight, other bytes, or
    another recipe than the first.
    """
    if not places:
        raise ZooError("there is no report; give the folders that `zoo reproduce NAME --out DIR` wrote.")
    reports = [_read(Path(os.path.expanduser(place))) for place in places]
    first = reports[0]
    for place, report in zip(places, reports, strict=True):
        for key in _SAME:
            if report[key] != first[key]:
                raise ZooError(
                    f"the report in {place} has the {key} {report[key]!r}, and that in {places[0]} {first[key]!r}; "
                    "add up only reports of the same bytes and the same recipe."
                )
    return reports


def short(report: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a report that metrics.json and the card keep."""
    used = report["environment"]
    device = used.get("device")
    return {
        "hardware": used.get("cpu") if device in (None, "cpu") else device,
        "versions": ", ".join(f"{name} {used[name]}" for name in ("torch", "python", "zoo") if used.get(name)),
        "platform": used.get("platform"),
        "n": len(report["measured"]["values"]),
        "mean": report["measured"]["mean"],
        "std": report["measured"]["std"],
        "verdict": report["verdict"],
        "identical": report["identical"],
    }


def check_of(reports: Sequence[Mapping[str, Any]], sha256: str, recipe_sha256: str) -> None:
    """Raise `ZooError` unless the reports are of these tensors and this recipe."""
    for report in reports:
        if (report["sha256"], report["recipe_sha256"]) != (sha256, recipe_sha256):
            raise ZooError(
                f"a report is of {report['weight']}, but of other bytes or another recipe than the published ones; "
                "run `zoo reproduce` on the published bundle."
            )


def _read(place: Path) -> dict[str, Any]:
    path = place / FILE if place.is_dir() else place
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not JSON"
        raise ZooError(
            f"there is no readable report {path} ({reason}); give what `zoo reproduce --out` wrote."
        ) from None
    if not isinstance(report, dict) or not _is_whole(report):
        raise ZooError(f"{path} is not a whole report of `zoo reproduce`; run it again.")
    return report


def _is_whole(report: dict[str, Any]) -> bool:
    measured, used = report.get("measured"), report.get("environment")
    return (
        all(isinstance(report.get(key), str) for key in _SAME)
        and report.get("verdict") in (REPRODUCED, NOT_REPRODUCED, UNDECIDED)
        and isinstance(report.get("identical"), bool)
        and isinstance(used, dict)
        and isinstance(measured, dict)
        and isinstance(measured.get("values"), list)
        and all(is_number(measured.get(key)) for key in ("mean", "std"))
    )
