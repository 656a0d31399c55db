"""A bundle -> all that its page shows, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from zoo.bundles.format import Bundle
from zoo.display import duration
from zoo.site import charts
from zoo.tasks import Metric

RESOLVED = "recipe.yaml"


@dataclass(frozen=True)
class Weight:
    """What the index and a weight's own page show; figures are text already, charts are SVG."""

    name: str
    task: str
    data: str
    split: str
    description: str
    metric: str
    figure: str
    mean: str
    std: str
    order: float
    seeds: list[float]
    strip: str
    spark: str
    bytes: int
    size: str
    latency_ms: float | None
    latency: str
    facts: list[tuple[str, str]]
    charts: list[tuple[str, str]]
    pictures: list[tuple[str, str]]
    use_predictor: str
    use_module: str
    use_hub: str
    short: str
    resolved: str
    reports: list[dict[str, Any]]
    files: list[tuple[str, str, str]]
    card: str
    runs: str = ""
    why_not: str = ""


def weight(bundle: Bundle) -> Weight:
    """All that is shown about a weight. Reads no tensors; raises `ZooError` if the bundle is damaged."""
    from zoo import registry, tasks
    from zoo.check import check_config, check_figures
    from zoo.tasks.measures import find

    check_config(bundle)
    check_figures(bundle)
    config, metrics = bundle.config, bundle.metrics
    name = bundle.name or bundle.folder.name
    task = tasks.get(config["task"])
    metric, figure = next(iter(metrics["metrics"].items()))
    known = find(task.name, metric)
    show = known.show
    values, std = figure["values"], figure["std"] if figure["n"] > 1 else None
    log = _log(bundle)
    loss, measured = _column(log, "train_loss"), _column(log, f"train_{metric}")
    size = sum(bundle.path(file).stat().st_size for file in bundle.tensor_files)
    speed = (metrics.get("cost") or {}).get("latency_ms")
    figure_text = show(figure["mean"]) + (f" ± {_spread(known, std)}" if std is not None else "")
    return Weight(
        name=name,
        task=task.name,
        data=str(config.get("data", "unknown")),
        split=str(metrics.get("split", "test")),
        description=registry.get(config["model"]).description,
        metric=metric.replace("_", " "),
        figure=figure_text,
        mean=show(figure["mean"]),
        std="" if std is None else _spread(known, std),
        order=figure["mean"] if known.more_is_better else -figure["mean"],
        seeds=values,
        strip=charts.seeds(values, std, show) if len(values) > 1 else "",
        spark=charts.spark(loss, "training loss by epoch"),
        bytes=size,
        size=_bytes(size),
        latency_ms=speed,
        latency=f"{speed:.3g} ms" if speed else "",
        facts=_facts(config, metrics, size, speed),
        charts=[
            (said, drawn)
            for said, drawn in (
                ("training loss by epoch", charts.curve("training loss", _epochs(log), loss, _plain, "epoch")),
                (
                    f"{metric.replace('_', ' ')} while training, under augmentation",
                    charts.curve(metric, _epochs(log), measured, show, "epoch"),
                ),
            )
            if drawn
        ],
        pictures=[
            ("what it takes for what, on the test split", file)
            for file in ("confusion.png",)
            if bundle.entry is not None and file in bundle.entry.files
        ],
        use_predictor=_predictor(name, task.kind),
        use_module=f'import zoo\n\nmodel = zoo.create("{name}")  # in eval mode, its bytes checked\nprint(model.zoo)\n',
        use_hub=f'import torch\n\nmodel = torch.hub.load(REPO, "{config["model"]}", weights="{name}")\n',
        short=_short(bundle),
        resolved=bundle.recipe,
        reports=list(metrics.get("reports") or []),
        files=[
            (file, f"{record.size:,}", record.sha256)
            for file, record in sorted((bundle.entry.files if bundle.entry else {}).items())
        ],
        card=_card(bundle),
    )


def _predictor(name: str, kind: str) -> str:
    given = {
        "image": '"picture.png"',
        "text": '"A slow start, but the last half hour is wonderful."',
        "tagged": '"The quick brown fox jumps over the lazy dog."',
        "characters": '"ROMEO:\\n"',
        "table": '"rows.csv"',
        "series": '"series.csv"',
    }.get(kind, "INPUT")
    return f'import zoo\n\npredict = zoo.predictor("{name}")\nprint(predict({given}))\n'


def _facts(config: dict[str, Any], metrics: dict[str, Any], size: int, speed: float | None) -> list[tuple[str, str]]:
    calibration = metrics.get("calibration") or {}
    facts = [
        ("parameters", f"{config['num_parameters']:,}"),
        ("size", _bytes(size)),
        ("training, one seed", duration(metrics["seconds"]) if metrics.get("seconds") else ""),
        ("latency, one core", f"{speed:.3g} ms" if speed else ""),
        ("classes", str(len(config["labels"])) if config["labels"] else ""),
        ("calibration error", f"{100 * calibration['ece']:.1f} %" if "ece" in calibration else ""),
        ("weight's licence", str(metrics.get("license", ""))),
        ("data's licence", str((metrics.get("data") or {}).get("license", ""))),
    ]
    return [(key, value) for key, value in facts if value]


def _short(bundle: Bundle) -> str:
    """The comment of the recipe's author, if it is one of the zoo's own recipes and equal to the bundle's recipe."""
    from zoo.errors import ZooError
    from zoo.recipes import load_recipe, recipe_folder

    path = recipe_folder() / f"{bundle.config.get('recipe', '')}.yaml"
    try:
        if path.is_file() and load_recipe(path) == load_recipe(bundle.path(RESOLVED)):
            return path.read_text(encoding="utf-8")
    except ZooError:
        pass
    return bundle.recipe


def _card(bundle: Bundle) -> str:
    """The card as HTML; HTML in the card is shown as text."""
    from markdown_it import MarkdownIt

    files = bundle.entry.files if bundle.entry else {}
    if "README.md" not in files:
        return ""
    text = bundle.content("README.md").decode(errors="replace")
    if text.startswith("---\n"):  # the front matter is for machines
        text = text.partition("\n---\n")[2]
    return MarkdownIt("commonmark", {"html": False}).enable("table").disable("image").render(text)


def _log(bundle: Bundle) -> list[dict[str, str]]:
    files = bundle.entry.files if bundle.entry else {"log.csv": None}
    if "log.csv" not in files or not (bundle.folder / "log.csv").is_file():
        return []
    return bundle.log


def _epochs(log: list[dict[str, str]]) -> list[float]:
    return _column(log, "epoch")


def _column(log: list[dict[str, str]], name: str) -> list[float]:
    """A column of the curve; a cell that is not a number is NaN, a missing column is all NaN."""

    def number(text: str | None) -> float:
        try:
            return float(text or "nan")
        except ValueError:
            return math.nan

    return [number(row.get(name)) for row in log]


def _bytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB" if size >= 100_000 else f"{size / 1e3:.0f} kB"


def _plain(value: float) -> str:
    return f"{value:.3g}"


def _spread(metric: Metric, std: float) -> str:
    return f"{100 * std:.2f}" if metric.unit == "%" else f"{std:.2g}"
