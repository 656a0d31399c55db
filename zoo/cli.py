"""The commands; no logic of their own. Each imports what it needs, so that `zoo --help` waits for nothing."""

from __future__ import annotations

import json
import os
import sys
from contextlib import redirect_stdout
from typing import Annotated, Any

import typer

DONE, FAILED, BAD_INPUT, INTERRUPTED = 0, 1, 2, 130

app = typer.Typer(
    name="zoo",
    help="A PyTorch model zoo in which every pretrained weight can be grown again from its recipe.",
    epilog="Exit status: 0 done, 1 the check failed, 2 bad input or usage, 130 interrupted. "
    "--debug, anywhere, shows where an error came from.",
    add_completion=False,
    rich_markup_mode=None,  # plain help: rich would take a third of the time in which it has to be there
    context_settings={"help_option_names": ["-h", "--help"]},
)
data = typer.Typer(help="The data sets that recipes train on.", rich_markup_mode=None)
runs = typer.Typer(help="Show the runs in a folder, or compare two.", rich_markup_mode=None)
cache = typer.Typer(help="Show what the zoo keeps on this machine, or clear it.", rich_markup_mode=None)
app.add_typer(data, name="data")
app.add_typer(runs, name="runs")
app.add_typer(cache, name="cache")

Name = Annotated[str, typer.Argument(metavar="NAME", help="A weight, a model, a bundle folder, or a source URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Device = Annotated[str | None, typer.Option(metavar="DEVICE", help="Where to compute: cpu, cuda, cuda:1, mps.")]


@app.callback(invoke_without_command=True)
def zoo_(context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False):
    # --version is here for the help alone: `_run` answers it, because typer needs pydantic to parse it.
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list")
def list_(
    pattern: Annotated[str, typer.Argument(metavar="[PATTERN]", help="A glob, such as 'resnet*'.")] = "*",
    as_json: Json = False,
):
    """List models and their weights."""
    import zoo
    from zoo.registry import get

    weights = zoo.list_weights()
    rows = []
    for model in map(get, zoo.list_models(pattern)):
        mine = [weight for weight in weights if weight.startswith(f"{model.name}.")]
        rows.append({"name": model.name, "task": model.task, "description": model.description, "weights": mine})
    if as_json:
        return _document(rows)
    _table(
        ("model", "task", "weights", "description"),
        [(row["name"], row["task"], "\n".join(row["weights"]), row["description"]) for row in rows],
    )


@app.command()
def info(name: Name, as_json: Json = False):
    """Show all that is known of a model or a weight."""
    import zoo

    found = zoo.info(name).to_dict()
    _document(found) if as_json else _facts(found)


@app.command()
def predict(
    name: Name,
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="Files, texts or JSON, as the task asks.")],
    device: Device = None,
    as_json: Json = False,
):
    """Answer for each input: labels with their probabilities, or a number."""
    import zoo

    predictor = zoo.predictor(name, device=device)
    raws = predictor.unpack(inputs)
    answers = predictor(raws)
    if as_json:
        return _document([{"input": str(raw), **answer.to_dict()} for raw, answer in zip(raws, answers, strict=True)])
    for raw, answer in zip(raws, answers, strict=True):
        print(raw)
        if not hasattr(answer, "top"):
            _facts(answer.to_dict(), "  ")
            continue
        for top in answer.top:
            print(f"  {top.probability:7.2%}  {top.label}")


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe's name, a YAML file, or a run to repeat.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="[key.path=value]...", help="Changes, such as train.epochs=3.")
    ] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="The run's folder.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run in DIR stopped.")] = False,
    track: Annotated[str | None, typer.Option(metavar="NAME", help="Write curves for it too: tensorboard.")] = None,
    device: Device = None,
):
    """Train a model by its recipe; the run's folder can be used and published as a weight."""
    import zoo
    from zoo.training import processes

    changes = {}
    for text in overrides or []:
        key, equals, value = text.partition("=")
        if not (key and equals):
            raise zoo.ZooError(f"{text!r} is no override; write key.path=value, such as train.epochs=3.")
        changes[key] = value
    try:
        # Not as keywords of `train`: of `device=cpu` the schema says that it is no key.
        run = zoo.train(zoo.load_recipe(recipe, changes), out=out, resume=resume, device=device, track=track)
    except KeyboardInterrupt:
        print("interrupted; the same command with --resume goes on from the checkpoint.", file=sys.stderr)
        raise
    if processes.is_main():
        _facts({"run": str(run.folder), **run.metrics})


@app.command()
def evaluate(
    name: Annotated[str, typer.Argument(metavar="NAME|RUN", help="A weight, a model, or the folder of a run.")],
    device: Device = None,
    as_json: Json = False,
):
    """Measure a weight or a run on its recipe's test split."""
    import zoo

    found = {"name": name, "split": "test", "metrics": zoo.evaluate(name, device=device)}
    _document(found) if as_json else _facts(found)


@app.command()
def verify(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME]...", help="Weights; all of them if none.")
    ] = None,
    as_json: Json = False,
):
    """Check hashes, schema and parameter counts, and with the data at hand the published metric."""
    import zoo

    reports = []
    for name in names or zoo.list_weights():
        report = zoo.verify(name).to_dict()
        reports.append(report)
        if not as_json:
            checks = ", ".join(f"{check} {'ok' if passed else 'FAILED'}" for check, passed in report["checks"].items())
            print(f"{report['weight']}: {checks}; {report['message']}", flush=True)
    if as_json:
        _document(reports)
    return DONE if all(report["ok"] for report in reports) else FAILED


@app.command()
def reproduce(
    name: Name,
    seeds: Annotated[int | None, typer.Option(min=1, metavar="K", help="Train with K seeds; one by default.")] = None,
    out: Annotated[str | None, typer.Option(metavar="DIR", help="Where to keep the runs; dropped by default.")] = None,
    jobs: Annotated[int | None, typer.Option(min=1, metavar="N", help="Train N seeds at a time, as processes.")] = None,
    cluster: Annotated[
        str | None, typer.Option(metavar="NAME", help="Train them as a cluster's jobs: slurm, or local to try it.")
    ] = None,
    device: Device = None,
    as_json: Json = False,
):
    """Train a weight again by its own recipe and compare with what was published."""
    import zoo

    report = zoo.reproduce(name, seeds=seeds, device=device, out=out, jobs=jobs, cluster=cluster)
    _document(report.to_dict()) if as_json else _verdict(report.to_dict())
    return DONE if report.verdict == "reproduced" else FAILED


@app.command()
def publish(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Finished runs of one recipe, or a bundle.")],
    to: Annotated[str, typer.Option(metavar="DEST", help="A folder, or hf://OWNER/REPO.")],
    name: Annotated[
        str | None, typer.Option(metavar="NAME", help="<model>.<tag>_v<N>; the recipe's next version by default.")
    ] = None,
    baselines: Annotated[
        str | None, typer.Option(metavar="FILE", help="JSON of plain methods measured beside it, for the card.")
    ] = None,
    note: Annotated[list[str] | None, typer.Option(metavar="TEXT", help="A sentence for the card; repeatable.")] = None,
):
    """Publish a run as a weight, with mean and spread where runs of several seeds are given."""
    import zoo

    print(zoo.publish(runs, to, name=name, baselines=baselines, notes=note or []))


@app.command()
def pull(
    name: Name,
    to: Annotated[str | None, typer.Option(metavar="DIR", help="Where to put it; the cache by default.")] = None,
):
    """Fetch a weight, checked."""
    import zoo

    print(zoo.pull(name, to))


@app.command()
def show(
    name: Name,
    out: Annotated[str, typer.Option("-o", "--out", metavar="PNG", help="The file to write.")],
    raw: Annotated[
        str | None, typer.Argument(metavar="[INPUT]", help="A file or a text, as the task asks, for pictures of one.")
    ] = None,
    what: Annotated[
        str | None,
        typer.Option(
            metavar="PICTURE", help="features, attention, curves, filters, confusion, mistakes, forecast or neighbours."
        ),
    ] = None,
    layer: Annotated[str | None, typer.Option(metavar="NAME", help="Whose features, such as stages.0.1.conv2.")] = None,
):
    """Draw what a model sees in an input, how it was trained, or where it is wrong."""
    from zoo import viz

    viz.save(viz.show(name, raw, what=what, layer=layer), out)
    print(out)


@data.command("list")
def data_list():
    """List the data sets and where they lie on this machine."""
    from zoo.data import ENTRIES, files

    def place(entry: Any) -> str:
        if entry.raw is None:
            return "comes with scikit-learn"
        kept = files.home() / f"{entry.name}.safetensors"
        return str(files.in_zoo_data(entry.raw) or (kept if kept.is_file() else f"zoo data get {entry.name}"))

    rows = [(entry.name, entry.kind, str(len(entry.labels)), place(entry)) for entry in ENTRIES.values()]
    _table(("data set", "kind", "labels", "here"), sorted(rows))


@data.command("get")
def data_get(name: Annotated[str, typer.Argument(metavar="NAME")]):
    """Fetch a data set, check it, and keep it decoded."""
    from zoo.data import load

    found = load(name)
    print(f"{name}: {len(found.train.targets):,} to train, {len(found.test.targets):,} to test")


@runs.callback(invoke_without_command=True)
def runs_show(
    context: typer.Context,
    root: Annotated[str, typer.Option("--in", metavar="DIR", help="The folder that holds them.")] = "runs",
    as_json: Json = False,
):
    if context.invoked_subcommand is None:
        from zoo.runs import list_runs

        found = list_runs(root)
        if as_json:
            return _document([run.to_dict() for run in found])
        head = ("run", "recipe", "state", "epochs", "metric", "value", "seconds")
        rows = []
        for run in found:
            value = "" if run.value is None else f"{run.value:.4f}"
            what = f"{run.metric}, {run.split}"
            rows.append((run.folder, run.recipe, run.state, str(run.epochs), what, value, f"{run.seconds:.0f}"))
        _table(head, rows)


@runs.command("compare")
def runs_compare(
    first: Annotated[str, typer.Argument(metavar="RUN")],
    second: Annotated[str, typer.Argument(metavar="RUN")],
    picture: Annotated[
        str | None, typer.Option("--output", "-o", metavar="PNG", help="Draw the curves of both there.")
    ] = None,
    as_json: Json = False,
):
    """Show what differs between two runs: recipe, environment, curves."""
    from zoo import runs

    found = runs.compare(first, second)
    if picture is not None:
        runs.draw(found, picture)
    if as_json:
        return _document(found.to_dict())
    one, other = found.runs
    rows = [(key, str(a), str(b)) for key, (a, b) in {**found.recipe, **found.environment}.items()]
    ends = [(f"last {key}", f"{a[-1]:.4g}", f"{b[-1]:.4g}") for key, (a, b) in found.curves.items() if a and b]
    _table(("", one.folder, other.folder), [*rows, *ends])


@cache.callback(invoke_without_command=True)
def cache_show(context: typer.Context):
    if context.invoked_subcommand is None:
        from zoo import home

        sizes = home.usage()
        print(home.home())
        for part, size in sizes.items():
            print(f"  {size / 1e6:10,.1f} MB  {part}: {home.PARTS[part]}")
        print(f"  {sum(sizes.values()) / 1e6:10,.1f} MB  in all")


@cache.command("clear")
def cache_clear():
    """Delete what can be fetched or computed again."""
    from zoo import home

    home.clear()


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in options
    if debug:
        arguments.remove("--debug")  # the first one, which stands before any "--"
    # OpenMP's threads spin while they wait for each other, and beside other work on the machine they wait long: on two
    # busy cores `zoo train mlp.digits` took 11 s with sleeping threads and minutes with spinning ones. Read by torch's
    # import.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    if sys.stderr is None:  # closed by whoever started us
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  it stays open to the end
    try:
        if sys.stdout is None:
            raise OSError("standard output is closed")
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        if "--json" not in options:
            status = _run(arguments)
        else:
            with redirect_stdout(sys.stderr):  # whoever else prints, a plug-in perhaps, must not spoil the document
                status = _run(arguments)
        sys.stdout.flush()
        return status
    except (BrokenPipeError, SystemExit) as leaving:
        if isinstance(leaving, SystemExit) and not isinstance(leaving.__context__, BrokenPipeError):
            raise  # as training does on SIGTERM
        # Whoever read us has had enough, which typer makes a SystemExit of.
        _drop_output()
        return DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        print(f"error: {_sentence(error)}", file=sys.stderr)
        try:
            if sys.stdout is not None:
                sys.stdout.flush()
        except OSError:  # a full disk, which Python would complain of once more on its way out
            _drop_output()
        return BAD_INPUT


def _drop_output() -> None:
    """Send what is left of standard output nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        import zoo

        print(f"zoo {zoo.__version__}")
        return DONE
    return app(args=arguments, prog_name="zoo", standalone_mode=False) or DONE


def _sentence(error: Exception) -> str:
    """What to tell the user, on one line."""
    from zoo.errors import ZooError

    if hasattr(error, "format_message"):  # a usage error of typer's, whose classes have moved between its versions
        text = error.format_message()  # type: ignore[attr-defined]
        context = getattr(error, "ctx", None)
        text = f"{text.rstrip('.')}; see {context.command_path if context else 'zoo'} --help."
    elif isinstance(error, (ZooError, OSError)):
        text = str(error)
    else:
        text = f"unexpected {type(error).__name__}: {error}; run again with --debug and report what it shows."
    return " ".join(text.split())


def _document(content: Any) -> None:
    print(json.dumps(content, indent=2), file=sys.__stdout__)


def _facts(content: dict[str, Any], indent: str = "") -> None:
    """Keys and values, one a line; what is nested is indented, what is empty left out; a list of rows is a table."""
    for key, value in content.items():
        if value in (None, [], {}):
            continue
        if isinstance(value, dict):
            print(f"{indent}{key}:")
            _facts(value, f"{indent}  ")
        elif isinstance(value, list) and isinstance(value[0], dict):
            print(f"{indent}{key}:")
            for row in value:
                print(f"{indent}  " + "  ".join(f"{x:.4f}" if isinstance(x, float) else str(x) for x in row.values()))
        else:
            print(f"{indent}{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


def _verdict(report: dict[str, Any]) -> None:
    published, measured = report["published"], report["measured"]
    _table(
        (report["metric"], "mean", "std", "seeds"),
        [
            ("published", f"{published['mean']:.4f}", f"{published['std']:.4f}", str(published["n"])),
            ("measured", f"{measured['mean']:.4f}", f"{measured['std']:.4f}", str(len(measured["seeds"]))),
        ],
    )
    print(f"{report['weight']}: {report['verdict']} (tolerance {report['tolerance']:.4f}, {report['seconds']:.0f} s)")
    if report["identical"]:
        print("Its tensors are the published ones, bit for bit.")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*head, box=None, pad_edge=False)
    for row in rows:
        table.add_row(*map(Text, row))
    # A pipe has no width: there each row stays whole.
    Console(width=None if sys.stdout.isatty() else 200, soft_wrap=not sys.stdout.isatty()).print(table)
