"""The commands; no logic of their own. Each imports what it needs, so that `zoo --help` waits for nothing."""

from __future__ import annotations

import os
import sys
import warnings
from contextlib import redirect_stderr, redirect_stdout
from typing import Annotated

import typer

from zoo import process, streams
from zoo.cli import exporting, helps, machine, models, predicting, reproducing, sharing, site, training
from zoo.cli.options import BAD_INPUT, DONE, INTERRUPTED
from zoo.cli.output import Aside, Harmless, Messages, drop
from zoo.display import one_line

app: typer.Typer = typer.Typer(
    name="zoo",
    help="A PyTorch model zoo in which every pretrained weight can be grown again from its recipe.",
    epilog="Exit status: 0 done, 1 the check failed, 2 bad input or usage, 3 undecided, 130 interrupted. "
    "--debug, anywhere, shows where an error came from; with --lock FILE names mean what the lock file says.",
    rich_markup_mode=None,  # plain help: rich takes a third of the time that `zoo --help` may take
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _part in (models, predicting, training, reproducing, sharing, exporting, site, machine):
    app.add_typer(_part.app)
helps.apply(app)


@app.callback(invoke_without_command=True)
def zoo_(
    context: typer.Context, version: Annotated[bool, typer.Option("--version", help="Show the version.")] = False
) -> None:
    # --version stands here only for the help text: `_run` answers it before typer, which needs pydantic, parses
    # anything.
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit status."""
    if sys.stderr is None:  # the program that started us closed it
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  it stays open to the end
    warnings.formatwarning = lambda message, *_, **__: f"warning: {one_line(message)}\n"
    before, process.ours = process.ours, True
    try:
        with redirect_stderr(Messages(sys.stderr)):
            return _status(arguments)
    finally:
        process.ours = before


def _status(arguments: list[str] | None) -> int:
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    debug = "--debug" in options
    if debug:
        arguments.remove("--debug")  # the first one, which stands before any "--"
    if "--lock" in options[:-1]:
        at = arguments.index("--lock")
        os.environ["ZOO_LOCK"] = arguments[at + 1]
        del arguments[at : at + 2]
    # OpenMP's threads spin while they wait for each other, and they wait long if the machine has other work: on two
    # busy cores `zoo train mlp.digits` took 11 s with sleeping threads and minutes with spinning ones. torch reads
    # this when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        if sys.stdout is None or getattr(sys.stdout, "closed", False):
            raise OSError("standard output is closed")
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # the caller of `main` may have replaced it
                stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
        if "--json" not in options:
            with redirect_stdout(Harmless(sys.stdout)):  # type: ignore[type-var]
                status = _run(arguments)
        else:
            # Whoever else prints, a plug-in perhaps, must not spoil the document.
            with redirect_stdout(Aside(sys.stderr, sys.stdout)):  # type: ignore[type-var]
                status = _run(arguments)
        streams.flush(sys.stdout)
        return status
    except (BrokenPipeError, SystemExit) as leaving:
        if isinstance(leaving, SystemExit) and not isinstance(leaving.__context__, BrokenPipeError):
            raise  # as training does on SIGTERM
        # The reader closed the pipe; typer turns that into a SystemExit.
        drop(sys.stdout)
        return DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        print(f"error: {_sentence(error)}", file=sys.stderr)
        try:
            streams.flush(sys.stdout)
        except (OSError, ValueError):  # a full disk, which Python would report again on its way out
            drop(sys.stdout)
        return BAD_INPUT


def _run(arguments: list[str]) -> int:
    if arguments[:1] == ["--version"]:
        import zoo

        print(f"zoo {zoo.__version__}")
        return DONE
    return app(args=arguments, prog_name="zoo", standalone_mode=False) or DONE


def _sentence(error: Exception) -> str:
    """What to tell the user, on one line."""
    from zoo.errors import ZooError

    if hasattr(error, "format_message"):  # a usage error of typer; its classes moved between typer's versions
        text = error.format_message()  # type: ignore[attr-defined]
        context = getattr(error, "ctx", None)
        text = f"{text.rstrip('.')}; see {context.command_path if context else 'zoo'} --help."
    elif isinstance(error, (ZooError, OSError)):
        text = str(error)
    else:
        text = f"unexpected {type(error).__name__}: {error}; run again with --debug and report what it shows."
    return one_line(text)
