"""The model card: README.md of a bundle, made from its data alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from zoo import kinds, tasks
from zoo.display import duration, harmless
from zoo.names import is_weight_name
from zoo.publishing.limits import limits
from zoo.publishing.markdown import code, fenced, item, plain
from zoo.tasks import Metric, Task
from zoo.tasks.measures import find, spread


def card(
    config: Mapping[str, Any],
    metrics: Mapping[str, Any],
    recipe: Mapping[str, Any] | str,
    notes: Iterable[str] = (),
    *,
    name: str | None = None,
    pictures: Iterable[str] = (),
) -> str:
    """The card as Markdown with the Hub's YAML front matter.

    Args:
        config, metrics: the contents of config.json and metrics.json.
        recipe: the recipe's text, in its short form or as recipe.yaml has it, or its content.
        notes: sentences to print as a list.
        name: of the weight; by default the model and its data, for a run that has no name yet.
        pictures: names of files beside the card, to be shown.
    """
    name = name or f"{config['model']} on {_data(config, metrics)}"
    task = tasks.get(config["task"])
    sections = [
        _front_matter(name, config, metrics, task),
        f"# {plain(name)}",
        _summary(config, metrics, task),
        "" if "imported" in metrics else _figures(metrics, recipe, task),
        _calibration(metrics),
        _baselines(metrics, task),
        _reports(metrics, task),
        _use(name, config, task, "imported" not in metrics),
        _cost(metrics),
        _limits(config, metrics, task),
        _provenance(config, metrics),
        _pictures(pictures),
        "" if "imported" in metrics else _recipe(recipe),
        _notes(notes),
    ]
    text = "\n\n".join(section for section in sections if section) + "\n"
    return re.sub("[\ud800-\udfff]", "\ufffd", harmless(text))  # no half of a character can be written as UTF-8


def _front_matter(name: str, config: Mapping[str, Any], metrics: Mapping[str, Any], task: Task) -> str:
    """JSON is YAML, so values are written as JSON: whatever they hold, they are quoted right."""
    called, data = task.hub or task.name, _data(config, metrics)
    hub = _on_the_hub(data)
    about = metrics.get("data") or {}
    base = (metrics.get("init_from") or {}).get("name")
    result = {
        "task": {"type": called},
        "dataset": {"type": hub[0] if hub else "own", "name": data, "split": metrics.get("split", "test")},
        "metrics": [_result(metric, figure) for metric, figure in _all(metrics).items()],
    }
    front = {
        **({"license": metrics["license"]} if "license" in metrics else {}),
        **({"language": [about["language"]]} if "language" in about else {}),
        "library_name": "reprozoo",
        "tags": ["pytorch", "reprozoo", config["model"]],
        **({"pipeline_tag": called} if task.pipeline else {}),
        **({"base_model": base} if base else {}),
        **({"datasets": hub} if hub else {}),
        **({"datasets_license": [about["license"]]} if "license" in about else {}),
        "metrics": list(_all(metrics)),
        "model-index": [{"name": name, "results": [result]}],
    }
    return "\n".join(["---", *(f"{key}: {_json(value)}" for key, value in front.items()), "---"])


def _result(metric: str, figure: Mapping[str, Any]) -> dict[str, Any]:
    """A metric as huggingface_hub reads it: `args` are what it calls metric_args, where spread and seeds fit."""
    more = {key: figure[key] for key in ("mean", "std", "n", "seeds") if key in figure}
    return {"type": metric, "name": metric.replace("_", " "), "value": figure.get("value"), "args": more}


def _on_the_hub(data: str) -> list[str]:
    """What the Hub calls a data set: its own address of it, or our name; nothing for somebody's own files."""
    name = data.removeprefix("hf:").partition("@")[0]
    return [name] if re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) else []


def _summary(config: Mapping[str, Any], metrics: Mapping[str, Any], task: Task) -> str:
    labels = config["labels"]
    size = f", {config['num_parameters']:,} parameters" if "num_parameters" in config else ""
    answers = f" It {task.tells.format(len(labels))}: {_some(labels)}." if labels else ""
    data = code(_data(config, metrics))
    about = f"{code(config['model'])} for {plain(task.name)}{size}, trained on {data}.{answers}"
    return f"{_better(metrics, task)}{about}"


def _better(metrics: Mapping[str, Any], task: Task) -> str:
    """The card's first sentence if a baseline has a better figure than the model: the best of them; else nothing."""
    metric, figure = next(iter(_all(metrics).items()), ("", {}))
    ours, given = figure.get("mean", figure.get("value")), metrics.get("baselines") or {}
    known = find(task.name, metric)
    sign = 1 if known.more_is_better else -1
    found = {
        name: value["value"] if isinstance(value, Mapping) else value
        for name, value in given.items()
        if not isinstance(value, Mapping) or (value.get("metric") or metric) == metric
    }
    if ours is None or not found:
        return ""
    best = max(found, key=lambda name: sign * found[name])
    if sign * found[best] <= sign * ours:
        return ""
    told = f"{known.show(found[best])} {plain(metric.replace('_', ' '))}, this model {known.show(ours)}"
    return f"**{plain(best)} does better on these data: {told}.** "


def _figures(metrics: Mapping[str, Any], recipe: Mapping[str, Any] | str, task: Task) -> str:
    rows = ["| metric | mean ± std | seeds | these bytes |", "| --- | --- | --- | --- |"]
    for metric, figure in _all(metrics).items():
        known, value = find(task.name, metric), figure.get("value")
        these = "not measured" if value is None else known.show(value)
        rows.append(f"| {_cell(metric)} | {spread(known, figure)} | {figure.get('n', 1)} | {these} |")
    text = f"## Figures\n\nOn the {plain(metrics.get('split', 'test'))} split.\n\n" + "\n".join(rows)
    planned = _planned_seeds(recipe)
    fewest = min((figure.get("n", 1) for figure in _all(metrics).values()), default=1)
    if planned and fewest < planned:
        seeds = "1 seed was" if fewest == 1 else f"{fewest} seeds were"
        said = ", which says nothing of the spread" if fewest == 1 else ""
        text += f"\n\nOnly {seeds} run where the recipe asks for {planned}{said}."
    return text


def _baselines(metrics: Mapping[str, Any], task: Task) -> str:
    baselines, figures = metrics.get("baselines") or {}, _all(metrics)
    if not baselines or not figures:
        return ""
    beside: dict[str, dict[str, float]] = {}
    commands: dict[str, None] = {}
    for name, given in baselines.items():
        given = given if isinstance(given, Mapping) else {"value": given}
        beside.setdefault(given.get("metric") or next(iter(figures)), {})[name] = given["value"]
        commands |= {given["command"]: None} if given.get("command") else {}
    tables = [_beside(metric, find(task.name, metric), figures[metric], values) for metric, values in beside.items()]
    measured = [f"Measured by {' and '.join(map(code, commands))}."] if commands else []
    return "\n\n".join(["## Beside it", *tables, *measured])


def _beside(metric: str, known: Metric, figure: Mapping[str, Any], values: Mapping[str, float]) -> str:
    ours = figure["mean"] if "mean" in figure else figure["value"]
    rows = [f"| {_cell(name)} | {known.show(value)} |" for name, value in values.items()]
    table = ["| | " + _cell(metric) + " |", "| --- | --- |", f"| **this model** | {known.show(ours)} |", *rows]
    ahead = {name: ours - value if known.more_is_better else value - ours for name, value in values.items()}
    better, equal = [name for name in ahead if ahead[name] < 0], [name for name in ahead if ahead[name] == 0]
    verdicts = [f"{verb} {_listed(names)}" for verb, names in (("loses to", better), ("ties with", equal)) if names]
    best = min(ahead, key=lambda name: ahead[name])
    return "\n".join(table) + f"\n\nIt {' and '.join(verdicts) or f'beats {plain(best)}'}."


def _reports(metrics: Mapping[str, Any], task: Task) -> str:
    reports, metric = metrics.get("reports") or [], next(iter(_all(metrics)), "")
    if not reports:
        return ""
    known = find(task.name, metric)
    rows = [
        f"| {_cell(str(r.get('hardware') or 'unknown'))} | {_cell(str(r.get('versions') or ''))} | {r['n']} "
        f"| {spread(known, r)} | {_cell(r['verdict'])}{', bit for bit' if r.get('identical') else ''} |"
        for r in reports
    ]
    table = [
        "| hardware | versions | seeds | " + _cell(metric) + " | verdict |",
        "| --- | --- | --- | --- | --- |",
        *rows,
    ]
    return "## Grown again\n\nReports of `zoo reproduce` on these bytes.\n\n" + "\n".join(table)


def _calibration(metrics: Mapping[str, Any]) -> str:
    found = metrics.get("calibration")
    if not found:
        return ""
    rows = [("as predictors answer", found)]
    if found.get("raw"):
        rows.append(("without the temperature", found["raw"]))
    table = ["| probabilities | negative log-likelihood | expected calibration error |", "| --- | --- | --- |"]
    table += [f"| {what} | {row['nll']:.4f} | {100 * row['ece']:.2f} % |" for what, row in rows]
    temperature = f" Temperature {found['temperature']:g}." if found.get("temperature") else ""
    if found.get("raw") and found["nll"] > found["raw"]["nll"]:
        temperature += " On the test split it does not help: these samples are unlike those that it was fitted on."
    return (
        "## Calibration\n\n"
        + "\n".join(table)
        + f"\n\nOn {found['samples']:,} samples of the test split; the error is over {found['bins']} bins of equal "
        f"width of the probability answered.{temperature}"
    )


def _cost(metrics: Mapping[str, Any]) -> str:
    cost = metrics.get("cost")
    if not cost:
        return ""
    shapes = " and ".join(" x ".join(map(str, shape)) for shape in cost["shapes"])
    rows = {
        "one input": f"{cost['latency_ms']:g} ms",
        f"a batch of {cost['batch']}": f"{cost['throughput']:,.0f} inputs a second",
        "multiply-adds of one input": f"{cost['multiply_adds']:,}",
        "memory for one input": f"{cost['memory_mb']:g} MB",
    }
    table = ["| | |", "| --- | --- |", *(f"| {what} | {value} |" for what, value in rows.items())]
    return (
        "## What it costs to run\n\n"
        + "\n".join(table)
        + f"\n\nMedians of many warm calls on one thread of {_cell(str(cost.get('processor')))}, torch "
        f"{plain(cost.get('torch'))}, for an input of {shapes}; memory is parameters and all tensors alive at once."
    )


def _use(name: str, config: Mapping[str, Any], task: Task, grown: bool = True) -> str:
    place = name if is_weight_name(name) else "path/to/this/folder"
    kind = kinds.get(config["input"]["kind"])
    asked, words = kind.example.format(f'zoo.predictor("{place}")'), plain(kind.words(config["input"]))
    return (
        "## Use\n\n```bash\npip install reprozoo\n```\n\n```python\nimport zoo\n\n"
        f'model = zoo.create("{place}")  # a torch.nn.Module in eval mode\n\n'
        f"{asked}\nprint({task.printed})\n```\n\n"
        + (f"{words}\n\n" if words else "")
        + f"`zoo predict {place} INPUT` answers on the command line; "
        + (f"`zoo reproduce {place}` grows it again from the recipe below." if grown else "it has no recipe.")
    )


def _limits(config: Mapping[str, Any], metrics: Mapping[str, Any], task: Task) -> str:
    return "## Limits\n\n" + "\n".join(
        f"- {said}" for said in limits(config, metrics, _data(config, metrics), task.classes)
    )


def _pictures(pictures: Iterable[str]) -> str:
    said = {"curves.png": "loss and metric by epoch", "confusion.png": "which class is taken for which"}
    shown = [f"![{said.get(name, name)}]({name})" for name in pictures]
    return "\n\n".join(shown)


def _provenance(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    fingerprint = (metrics.get("data") or {}).get("fingerprint", "unknown")
    rows = {
        "data": f"{code(_data(config, metrics))}, fingerprint {code(fingerprint)}",
        "licence of the data": _licence(metrics.get("data") or {}),
        "licence of the weight": plain(metrics.get("license", "")),
        "tensors": f"SHA-256 {code(metrics['sha256'])}" if "sha256" in metrics else "",
        "wall time": f"{duration(metrics['seconds'])} for one seed" if metrics.get("seconds") else "",
    }
    rows |= {plain(key): plain(value) for key, value in (metrics.get("environment") or {}).items() if value is not None}
    return "\n".join(["## How it was grown", "", "| | |", "| --- | --- |"]) + "".join(
        f"\n| {_column(key)} | {_column(value)} |" for key, value in rows.items() if value
    )


def _licence(data: Mapping[str, Any]) -> str:
    if "license" not in data:
        return ""
    licence = "none stated" if data["license"] == "unknown" else data["license"]
    return plain(f"{licence} ({data['source']})" if "source" in data else licence)


def _notes(notes: Iterable[str]) -> str:
    lines = "\n".join(f"- {item(note)}" for note in notes)
    return f"## Notes\n\n{lines}" if lines else ""


def _planned_seeds(recipe: Mapping[str, Any] | str) -> int | None:
    """evaluate.seeds. A recipe is plain YAML, block or flow, so its one key is found without a YAML parser."""
    if not isinstance(recipe, str):
        return (recipe.get("evaluate") or {}).get("seeds")
    block = re.search(r"^evaluate:(.*(?:\n[ \t}].*)*)", recipe, re.MULTILINE)
    seeds = re.search(r"\bseeds\"?:\s*(\d+)", block[1]) if block else None
    return int(seeds[1]) if seeds else None


def _recipe(recipe: Mapping[str, Any] | str) -> str:
    return f"## Recipe\n\n{fenced(_recipe_text(recipe).strip(), 'yaml')}\n\nWith all defaults: `recipe.yaml`."


def _recipe_text(recipe: Mapping[str, Any] | str) -> str:
    return recipe if isinstance(recipe, str) else "\n".join(f"{key}: {_json(value)}" for key, value in recipe.items())


def _data(config: Mapping[str, Any], metrics: Mapping[str, Any]) -> str:
    return str((metrics.get("data") or {}).get("name") or config.get("data") or "unknown")


def _all(metrics: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    return metrics.get("metrics") or {}


def _some(labels: list[Any]) -> str:
    shown = (str(label) if str(label).strip() else repr(label) for label in labels[:10])  # a character may be a space
    return ", ".join(map(plain, shown)) + (", …" if len(labels) > 10 else "")


def _listed(names: list[str]) -> str:
    names = [*map(plain, names)]
    return ", ".join(names[:-1]) + (" and " if len(names) > 1 else "") + names[-1]


def _cell(value: object) -> str:
    """Others' words as the cell of a table."""
    return _column(plain(value))


def _column(text: str) -> str:
    """Markdown as the cell of a table."""
    return text.replace("|", "\\|")


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
