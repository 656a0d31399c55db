"""Runs small enough to publish a dozen times a second, and real servers on loopback to read them from."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from zoo import publishing
from zoo.bundles.index import Entry, entry_of, write_index
from zoo.recipes import load_recipe
from zoo.sources import finding

sys.path.insert(0, str(Path(__file__).parent))  # for hub_server, which no package holds


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own for each test, and no source but those the test names."""
    for name in ("ZOO_SOURCES", "ZOO_OFFLINE", "HF_TOKEN", "http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(finding, "PACKAGE", tmp_path / "no package")
    # The runs here are drawn, not trained, so that a dozen fit into a second; test_publishing.py has one that is real.
    monkeypatch.setattr(publishing, "check_measured", lambda bundle: None)
    return tmp_path / "home"


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Path]:
    """Write a finished run of the zoo's mlp.digits into `tmp_path`/`folder`, `lr` aside and its tensors drawn."""

    def make(folder: str = "run", *, seed: int = 0, value: float = 0.98, lr: float = 0.003, size: int = 64) -> Path:
        run, wide = tmp_path / folder, 250 if size % 250 == 0 else 8
        run.mkdir(parents=True)
        weight = torch.randn(size, 10, generator=torch.Generator().manual_seed(seed))
        save_file({"head.weight": weight.T.contiguous(), "head.bias": torch.zeros(10)}, run / "model.safetensors")
        recipe = load_recipe("mlp.digits", {"train.seed": seed, "optimizer.lr": lr}).to_yaml()
        (run / "recipe.yaml").write_text(recipe)
        (run / "log.csv").write_text("epoch,loss\n1,2.0\n2,1.0\n")
        config = {
            "schema": 1,
            "recipe": "mlp.digits",
            "model": "mlp",
            "model_args": {"in_features": size, "widths": []},
            "task": "image-classification",
            "labels": [str(digit) for digit in range(10)],
            "input": {
                "kind": "image",
                "channels": 1,
                "size": [size // wide, wide],
                "maximum": 16,
                "mean": [0.0],
                "std": [1.0],
            },
            "num_parameters": size * 10 + 10,
            "data": "digits",
        }
        metrics = {
            "schema": 1,
            "split": "test",
            "metrics": {
                "accuracy": {"value": value, "mean": value, "std": 0.0, "n": 1, "seeds": [seed], "values": [value]}
            },
            "sha256": hashlib.sha256((run / "model.safetensors").read_bytes()).hexdigest(),
            "recipe_sha256": hashlib.sha256(recipe.encode()).hexdigest(),
            "data": {"name": "digits", "fingerprint": "0" * 64},
            "seconds": 1.5,
            "environment": {"python": "3.11", "torch": torch.__version__, "platform": "here", "device": "cpu"},
            "notes": [],
        }
        write(run / "config.json", config)
        write(run / "metrics.json", metrics)
        return run

    return make


def write(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content))


@pytest.fixture
def shelf(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """A folder source with mlp.digits_v1 (the default), mlp.digits_v2 and rnn.imdb_v1 (no default)."""
    root = tmp_path / "shelf"
    root.mkdir()
    entries: dict[str, Entry] = {}
    for seed, (name, default) in enumerate(
        {"mlp.digits_v1": True, "mlp.digits_v2": False, "rnn.imdb_v1": False}.items()
    ):
        shutil.copytree(make_run(f"shelved {name}", seed=seed), root / name)
        entries[name] = entry_of(root / name, name, default)
    write_index(root / "index.json", entries)
    return root


@pytest.fixture
def closed_port() -> int:
    """A port on loopback on which no server listens."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@pytest.fixture
def web(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A real web server over `web.root`: `web.url`, `web.asked` (the paths of the requests it got)."""
    root = tmp_path / "web"
    root.mkdir()
    asked: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            if self.path.startswith("/to/"):  # /to/URL redirects to URL
                self.send_response(302)
                self.send_header("Location", self.path.removeprefix("/to/"))
                self.end_headers()
            elif self.path.startswith("/slow/"):  # takes its time over the tensors
                self.path = self.path.removeprefix("/slow")
                if self.path.endswith(".safetensors"):
                    time.sleep(0.5)
                super().do_GET()
            elif self.path.startswith("/short/"):  # promises the whole file, sends all but its last ten bytes
                path = Path(self.translate_path(self.path.removeprefix("/short")))
                body = path.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:-10] if path.suffix == ".safetensors" else body)
                self.close_connection = True
            else:
                super().do_GET()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(root)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield SimpleNamespace(root=root, url=f"http://127.0.0.1:{server.server_port}", asked=asked)
    server.shutdown()
    server.server_close()


@pytest.fixture
def guests(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """A Hub that holds a weight of timm's smallest ResNet, and an empty cache of the Hub's client."""
    import huggingface_hub.constants as constants
    import timm
    from hub_server import HubServer, Repository
    from safetensors.torch import save

    repo = "timm/test_resnet.r160_in1k"
    torch.manual_seed(0)
    weight = save(timm.create_model("test_resnet").state_dict())
    server = HubServer()
    server.repositories[repo] = Repository()
    server.repositories[repo].commit("weights", {"model.safetensors": weight})
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    yield server
    server.shutdown()
    server.server_close()
