"""What a shell offers at a press of Tab, and what commands print if no terminal reads them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from zoo.cli import completing, main

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_OFFLINE", "1")  # as completing sets it; taken back after the test


def test_every_model_weight_and_recipe_is_offered() -> None:
    from zoo import registry

    own = [name for name in zoo.list_models() if registry.get(name).constructor.__module__.startswith("zoo.models.")]
    assert completing.models("") == own
    assert completing.weights("") == zoo.list_weights()
    assert set(completing.recipes("")) == {*zoo.list_recipes(), *own}
    assert set(completing.names("mnist_m")) == {
        name for name in (*zoo.list_weights(), *own) if name.startswith("mnist_m")
    }


def test_no_network_is_asked_and_what_is_wrong_offers_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ZOO_SOURCES", "https://zoo.invalid")

    def asked(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr("socket.getaddrinfo", asked)
    assert completing.weights("mlp.") == ["mlp.digits_v1"]
    monkeypatch.setenv("ZOO_LOCK", str(tmp_path / "gone.lock"))
    assert completing.weights("mlp") == []


def offered(line: str, shell: str = "bash") -> tuple[list[str], set[str]]:
    """What a real process answers to the shell's question, and which heavy packages it imported."""
    code = (
        "import sys\nfrom zoo.cli import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print(*{'torch', 'torchvision', 'timm', 'numpy'} & set(sys.modules), file=sys.stderr)"
    )
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))} if shell == "bash" else {}
    asking = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"} if shell == "fish" else {}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "_ZOO_COMPLETE": f"complete_{shell}", **words, **asking}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), set(done.stderr.split())


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_a_shell_gets_names_and_waits_for_no_heavy_import(shell: str) -> None:
    found, imported = offered("zoo info bilstm_attn.i", shell)
    assert found == ["bilstm_attn.imdb_v1"] and not imported


@pytest.mark.parametrize(
    "command",
    [["list"], ["info", "mlp.digits_v1"], ["data", "list"], ["cache"], ["--help"], ["info", "no_such_model"]],
    ids=" ".join,
)
def test_without_a_terminal_nothing_is_coloured_or_overwritten(
    command: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    assert main(command) in (0, 2)
    printed = "".join(capfd.readouterr())
    assert printed and "\x1b" not in printed and "\r" not in printed
