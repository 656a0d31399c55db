"""What each command's line in `zoo --help` says, uncut at 80 columns, and the example that its own help ends with."""

from __future__ import annotations

import re
from typing import Any

import typer
from typer.core import TyperCommand

# Command -> its line, of at most 60 characters, and an example.
HELPS = {
    "list": ("List weights with what they reach and cost.", "zoo list 'mnist*' --sort size"),
    "info": ("Show all that is known of a model or a weight.", "zoo info bilstm_attn.imdb_v1"),
    "show": ("Draw what a model sees, or how it was trained.", "zoo show mlp.digits_v1 -o curves.png"),
    "predict": ("Answer for texts, pictures, rows or series.", "zoo predict bilstm_attn 'A wonderful film.'"),
    "train": (
        "Train a model by its recipe, or on your data.",
        "zoo train mlp.digits train.epochs=20 --out runs/digits",
    ),
    "runs compare": ("Show what differs between two runs.", "zoo runs compare runs/one runs/other -o curves.png"),
    "evaluate": ("Measure a weight or a run on its test split.", "zoo evaluate mlp.digits_v1"),
    "verify": ("Check a weight's bytes, and its figure with the data.", "zoo verify mlp.digits_v1"),
    "reproduce": ("Train a weight again and compare the figures.", "zoo reproduce mlp.digits_v1 --seeds 2"),
    "report": ("Add up one weight's reports from several machines.", "zoo report here/reproduce there/reproduce"),
    "publish": ("Publish runs as a weight.", "zoo publish runs/digits --to my-zoo --name mlp.quick_v1"),
    "pull": ("Fetch weights, checked.", "zoo pull bilstm_attn.imdb_v1 --to weights"),
    "lock": ("Write down what names mean today.", "zoo lock mlp.digits_v1 -o zoo.lock"),
    "mirror": ("Copy weights to a place of your own.", "zoo mirror mlp.digits_v1 --to /srv/zoo"),
    "import": ("Make a bundle of a state dict that you have.", "zoo import mlp.safetensors --model mlp -o mlp.mine_v1"),
    "export": ("Write a weight as an ONNX file, and prove it.", "zoo export mlp.digits_v1 -o digits.onnx"),
    "embed": ("Write what a model finds before its head.", "zoo embed mnist_embed a.png b.png -o points.npy"),
    "site": ("Write a site on which models run in the browser.", "zoo site --to public"),
    "data list": ("List the data sets and where they lie.", "zoo data list"),
    "data get": ("Fetch a data set, check it, and keep it decoded.", "zoo data get mnist"),
    "data check": ("Count what data hold, and find what spoils training.", "zoo data check reviews.csv"),
    "cache verify": ("Read every fetched weight again.", "zoo cache verify"),
    "cache prune": ("Delete fetched weights by age or size.", "zoo cache prune --older-than 30"),
    "cache clear": ("Delete what can be fetched or computed again.", "zoo cache clear"),
}
WIDEST = 60


class Command(TyperCommand):
    """A command whose usage line has plain names: NAME, [NAME]..., no braces or brackets of brackets."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        return [_plain(piece) for piece in super().collect_usage_pieces(ctx)]


def _plain(piece: str) -> str:
    name = re.sub(r"[\[\]{}]|\.\.\.", "", piece)
    several, optional = "..." in piece, piece.startswith("[") and piece != "[OPTIONS]"
    return piece if piece == "[OPTIONS]" else (f"[{name}]" if optional else name) + ("..." if several else "")


def apply(app: typer.Typer, before: str = "") -> None:
    """Give every command below `app` its line and its example."""
    for command in app.registered_commands:
        name = command.name or getattr(command.callback, "__name__", "").rstrip("_")
        summary, example = HELPS.get(f"{before}{name}", (None, None))
        command.cls = Command
        command.short_help = command.short_help or summary
        if example and not command.epilog and "Example:" not in (getattr(command.callback, "__doc__", None) or ""):
            command.epilog = f"Example: {example}"
    for group in app.registered_groups:
        if group.typer_instance is not None:
            inner = f"{before}{group.name} " if isinstance(group.name, str) else before
            apply(group.typer_instance, inner)
