"""The model card: README.md of a bundle, made from its data alone. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

# Shares of one, shown as percentages; anything else is shown as it is, and less of it is better.
SHARES = {
    "accuracy",
    "top1",
    "top5",
    "f1",
    "macro_f1",
    "precision",
    "recall",
    "recall_at_1",
    "roc_auc",
    "average_precision",
    "digit_accuracy",
    "odd_accuracy",
}
# The Hub's word where it is not ours.
_PIPELINES = {"language-modelling": "text-generation", "forecasting": "time-series-forecasting"}
_HUB_TASKS = {"image-classification", "text-classification", "token-classification", "tabular-classification"}


def card(
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    recipe: Mapping[str, Any] | str,
    notes: Iterable[str] = (),
    *,
    name: str | None = None,
) -> str:
    """The card as Markdown with the Hub's YAML front matter.

    Args:
        config, metrics: the contents of config.json and metrics.json.
        recipe: the text of recipe.yaml, or its content.
        notes: sentences to print as a list.
        name: of the weight; by default the model and its data, for a run that has no name yet.
    """
    name = name or f"{config['model']} on {_data(config, metrics)}"
    sections = [
        _front_matter(name, config, metrics),
        f"# {name}",
        _summary(config, metrics),
        "" if "imported" in metrics else _figures(metrics, recipe),
        _baselines(metrics),
        _reports(metrics),
        _use(name, "imported" not in metrics),
        _provenance(config, metrics),
        "" if "imported" in metrics else "## Recipe\n\n" + f"```yaml\n{_recipe_text(recipe).strip()}\n```",
        _notes(notes),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _front_matter(name: str, config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    """JSON is YAML, so values are written as JSON: whatever they hold, they are quoted right."""
    task, data = config["task"], _data(config, metrics)
    task = _PIPELINES.get(task, task)
    result = {
        "task": {"type": task},
        "dataset": {"type": data, "name": data, "split": metrics.get("split", "test")},
        "metrics": [{"type": metric, "value": figure.get("value")} for metric, figure in _all(metrics).items()],
    }
    front = {
        "library_name": "zoo",
        "tags": ["pytorch", "zoo", config["model"]],
        **({"pipeline_tag": task} if task in _HUB_TASKS or task in _PIPELINES.values() else {}),
        "datasets": [data],
        "metrics": list(_all(metrics)),
        "model-index": [{"name": name, "results": [result]}],
    }
    return "\n".join(["---", *(f"{key}: {_json(value)}" for key, value in front.items()), "---"])


def _summary(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    labels = config["labels"]
    size = f", {config['num_parameters']:,} parameters" if "num_parameters" in config else ""
    what = "knows {} symbols" if config["task"] == "language-modelling" else "tells {} classes apart"
    answers = f" It {what.format(len(labels))}: {_some(labels)}." if labels else ""
    about = f"`{config['model']}` for {config['task']}{size}, trained on `{_data(config, metrics)}`.{answers}"
    return f"{_better(metrics)}{about}"


def _better(metrics: Mapping[str, Any]) -> str:
    """The card's first sentence if a baseline has a better figure than the model: the best of them; else nothing."""
    metric, figure = next(iter(_all(metrics).items()), ("", {}))
    ours, given = figure.get("mean", figure.get("value")), metrics.get("baselines") or {}
    sign = 1 if metric in SHARES else -1
    found = {
        name: value["value"] if isinstance(value, Mapping) else value
        for name, value in given.items()
        if not isinstance(value, Mapping) or value.get("metric", metric) == metric
    }
    if ours is None or not found:
        return ""
    best = max(found, key=lambda name: sign * found[name])
    if sign * found[best] <= sign * ours:
        return ""
    told = f"{_show(metric, found[best])} {metric.replace('_', ' ')}, this model {_show(metric, ours)}"
    return f"**{best} does better on these data: {told}.** "


def _figures(metrics: Mapping[str, Any], recipe: Mapping[str, Any] | str) -> str:
    rows = ["| metric | mean ± std | seeds | these bytes |", "| --- | --- | --- | --- |"]
    for metric, figure in _all(metrics).items():
        n = figure.get("n", 1)
        rows.append(f"| {metric} | {spread(metric, figure)} | {n} | {_show(metric, figure.get('value'))} |")
    text = f"## Figures\n\nOn the {metrics.get('split', 'test')} split.\n\n" + "\n".join(rows)
    planned = _planned_seeds(recipe)
    fewest = min((figure.get("n", 1) for figure in _all(metrics).values()), default=1)
    if planned and fewest < planned:
        seeds = "1 seed was" if fewest == 1 else f"{fewest} seeds were"
        said = ", which says nothing of the spread" if fewest == 1 else ""
        text += f"\n\nOnly {seeds} run where the recipe asks for {planned}{said}."
    return text


def _baselines(metrics: Mapping[str, Any]) -> str:
    baselines, figures = metrics.get("baselines") or {}, _all(metrics)
    if not baselines or not figures:
        return ""
    beside: dict[str, dict[str, float]] = {}
    commands: dict[str, None] = {}
    for name, given in baselines.items():
        given = given if isinstance(given, Mapping) else {"value": given}
        beside.setdefault(given.get("metric", next(iter(figures))), {})[name] = given["value"]
        commands |= {given["command"]: None} if "command" in given else {}
    tables = [_beside(metric, figures[metric], values) for metric, values in beside.items()]
    measured = [f"Measured by {' and '.join(f'`{command}`' for command in commands)}."] if commands else []
    return "\n\n".join(["## Beside it", *tables, *measured])


def _beside(metric: str, figure: Mapping[str, Any], values: Mapping[str, float]) -> str:
    ours = figure.get("mean", figure.get("value"))
    rows = [f"| {name} | {_show(metric, value)} |" for name, value in values.items()]
    table = ["| | " + metric + " |", "| --- | --- |", f"| **this model** | {_show(metric, ours)} |", *rows]
    ahead = {name: ours - value if metric in SHARES else value - ours for name, value in values.items()}
    better, equal = [name for name in ahead if ahead[name] < 0], [name for name in ahead if ahead[name] == 0]
    verdicts = [f"{verb} {_listed(names)}" for verb, names in (("loses to", better), ("ties with", equal)) if names]
    best = min(ahead, key=lambda name: ahead[name])
    return "\n".join(table) + f"\n\nIt {' and '.join(verdicts) or f'beats {best}'}."


def _reports(metrics: Mapping[str, Any]) -> str:
    reports, metric = metrics.get("reports") or [], next(iter(_all(metrics)), "")
    if not reports:
        return ""
    rows = [
        f"| {_cell(str(r.get('hardware') or 'unknown'))} | {_cell(str(r.get('versions') or ''))} | {r['n']} "
        f"| {spread(metric, r)} | {r['verdict']}{', bit for bit' if r.get('identical') else ''} |"
        for r in reports
    ]
    table = ["| hardware | versions | seeds | " + metric + " | verdict |", "| --- | --- | --- | --- | --- |", *rows]
    return "## Grown again\n\nReports of `zoo reproduce` on these bytes.\n\n" + "\n".join(table)


def _use(name: str, grown: bool = True) -> str:
    named = "." in name and " " not in name
    place = name if named else "path/to/this/folder"
    return (
        f'## Use\n\n```python\nimport zoo\n\nmodel = zoo.create("{place}")\n```\n\n'
        f"`zoo predict {place} INPUT` answers; "
        + (f"`zoo reproduce {place}` grows it again from the recipe below." if grown else "it has no recipe.")
    )


def _provenance(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    fingerprint = (metrics.get("data") or {}).get("fingerprint", "unknown")
    rows = {
        "data": f"`{_data(config, metrics)}`, fingerprint `{fingerprint}`",
        "tensors": f"SHA-256 `{metrics['sha256']}`" if "sha256" in metrics else "",
        "wall time": f"{duration(metrics['seconds'])} for one seed" if metrics.get("seconds") else "",
    }
    rows |= {key: str(value) for key, value in (metrics.get("environment") or {}).items() if value is not None}
    return "\n".join(["## How it was grown", "", "| | |", "| --- | --- |"]) + "".join(
        f"\n| {key} | {_cell(value)} |" for key, value in rows.items() if value
    )


def _notes(notes: Iterable[str]) -> str:
    lines = "\n".join(f"- {note}" for note in notes)
    return f"## Notes\n\n{lines}" if lines else ""


def _planned_seeds(recipe: Mapping[str, Any] | str) -> int | None:
    """evaluate.seeds. A resolved recipe is plain YAML, block or flow, so its one key is found without a YAML parser."""
    if not isinstance(recipe, str):
        return (recipe.get("evaluate") or {}).get("seeds")
    block = re.search(r"^evaluate:(.*(?:\n[ \t}].*)*)", recipe, re.MULTILINE)
    seeds = re.search(r"\bseeds\"?:\s*(\d+)", block[1]) if block else None
    return int(seeds[1]) if seeds else None


def _recipe_text(recipe: Mapping[str, Any] | str) -> str:
    return recipe if isinstance(recipe, str) else "\n".join(f"{key}: {_json(value)}" for key, value in recipe.items())


def _data(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    return str((metrics.get("data") or {}).get("name") or config.get("data") or "unknown")


def _all(metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return metrics.get("metrics") or {}


def spread(metric: str, figure: Mapping[str, Any]) -> str:
    """Mean and standard deviation of a metric's figures, the mean alone where there was one seed."""
    mean = figure.get("mean", figure.get("value"))
    alone = figure.get("n", 1) < 2 or figure.get("std") is None
    return _show(metric, mean) if alone else f"{_show(metric, mean)} ± {_show(metric, figure['std'])}"


def _show(metric: str, value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{100 * value:.2f} %" if metric in SHARES else f"{value:.4g}"


def duration(seconds: float) -> str:
    """Seconds in the unit that reads best."""
    minutes = seconds / 60
    return f"{seconds:.0f} s" if minutes < 2 else f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def _some(labels: list[Any]) -> str:
    shown = (str(label) if str(label).strip() else repr(label) for label in labels[:10])  # a character may be a space
    return ", ".join(shown) + (", …" if len(labels) > 10 else "")


def _listed(names: list[str]) -> str:
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _cell(value: str) -> str:
    return value.replace("|", "\\|").replace("\n", " ")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
