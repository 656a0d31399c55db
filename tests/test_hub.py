"""torch.hub: from a folder and from an archive like GitHub's, in processes that have torch and safetensors alone."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from forked import python

import zoo
from zoo import registry
from zoo.bundles.index import entry_of, write_index

ROOT = Path(__file__).parents[1]

# Every installed distribution is made unimportable but torch, safetensors, and what torch itself needs.
ALONE = """
import sys
from importlib.abc import MetaPathFinder
from importlib.metadata import packages_distributions

KEPT = {"torch", "torchgen", "functorch", "safetensors", "typing_extensions", "sympy", "mpmath", "networkx", "jinja2",
        "markupsafe", "filelock", "fsspec"}
BLOCKED = set(packages_distributions()) - KEPT
sys.path[:] = [path for path in sys.path if path != r"<root>"]

class Block(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        # `zoo` is found in the hub's folder alone, not where it may be installed.
        if name.partition(".")[0] in BLOCKED - {"zoo"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path[:] = [Block(), *(finder for finder in sys.meta_path if "editable" not in repr(finder).lower())]
import warnings
warnings.filterwarnings("ignore", message="Failed to initialize NumPy")
import torch
"""


def alone(code: str, *arguments: object, cwd: Path) -> str:
    """What a process prints that can import torch and safetensors alone."""
    command = [sys.executable, "-c", ALONE.replace("<root>", str(ROOT)) + code, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def repository(image_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone of the repository holds that the hub needs, with one weight in the package."""
    clone = tmp_path_factory.mktemp("hub") / "clone"
    shutil.copytree(ROOT / "zoo", clone / "zoo", ignore=shutil.ignore_patterns("__pycache__", "pretrained"))
    for name in ("hubconf.py", "pyproject.toml"):
        shutil.copy(ROOT / name, clone)
    pretrained = clone / "zoo" / "pretrained"
    shutil.copytree(image_bundle, pretrained / "mlp.tiny_v1")
    write_index(pretrained / "index.json", {"mlp.tiny_v1": entry_of(image_bundle, "mlp.tiny_v1", True)})
    return clone


@pytest.fixture(scope="module")
def archive(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL on loopback of a zip archive that holds the repository in one folder, as GitHub's do."""
    served = tmp_path_factory.mktemp("served")
    with zipfile.ZipFile(served / "main.zip", "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr("owner-repo-0123abc/", "")  # GitHub's archives begin with the folder, and torch.hub counts on it
        for path in sorted(repository.rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                out.write(path, Path("owner-repo-0123abc") / path.relative_to(repository))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=str(served)))
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/main.zip"
    server.shutdown()
    server.server_close()


LOCAL = """
load = lambda name, **more: torch.hub.load(sys.argv[1], name, source="local", **more)
torch.manual_seed(0)
fresh = load("mlp", num_classes=3)
assert fresh.training and fresh.head.out_features == 3
model = load("mlp", pretrained=True)
assert not model.training and model.zoo.weight == "mlp.tiny_v1"
named = load("mlp", weights="tiny_v1", dtype=torch.float64)
assert named.head.weight.dtype == torch.float64
print(sys.modules["zoo"].__file__)
print(model(torch.eye(64)[:10].view(10, 1, 8, 8)).argmax(1).tolist())
"""


def test_load_from_a_folder_with_torch_and_safetensors_alone(repository: Path, tmp_path: Path) -> None:
    where, answers = alone(LOCAL, repository, cwd=tmp_path).splitlines()
    assert Path(where).is_relative_to(repository)
    assert answers == str(list(range(10)))


ARCHIVE = """
torch.hub.set_dir(sys.argv[1])
torch.hub._git_archive_link = lambda owner, name, ref: sys.argv[2]
options = {"skip_validation": True, "trust_repo": True}
entries = torch.hub.list("owner/repo:main", **options)
about = torch.hub.help("owner/repo:main", "mnist_mlp", **options)
model = torch.hub.load("owner/repo:main", "mlp", pretrained=True, **options)
import json
print(json.dumps([entries, about, model.zoo.weight, sys.modules["zoo"].__version__]))
"""


def test_list_help_and_load_from_an_archive(archive: str, tmp_path: Path) -> None:
    *_, last = alone(ARCHIVE, tmp_path / "hub", archive, cwd=tmp_path).splitlines()  # torch prints progress before
    entries, about, weight, version = json.loads(last)
    assert entries == sorted(registry.names())
    assert about.startswith("784-512-256-128-10 perceptron")
    assert weight == "mlp.tiny_v1"
    assert version == zoo.__version__


def test_an_entry_point_has_the_signature_of_create_less_the_name() -> None:
    code = """
import inspect, hubconf, zoo
signature = inspect.signature(hubconf.mnist_mlp)
assert list(signature.parameters) == list(inspect.signature(zoo.create).parameters)[1:], signature
assert hubconf.dependencies == ["torch", "safetensors"]
assert hubconf.mnist_mlp.__name__ == "mnist_mlp"
print(hubconf.mnist_mlp(num_classes=4).head.out_features)
"""
    done = subprocess.run([*python(), "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "4\n", done.stderr


def test_a_model_may_not_take_the_hubs_own_names() -> None:
    code = """
from zoo import registry
with_odd_names = ["dependencies", "_inspect", "_secret", "my-resnet", "guest"]
for name in with_odd_names:
    registry.register_model(task="regression", init="default", description="", source="", name=name)(lambda: None)
import hubconf
assert hubconf.dependencies == ["torch", "safetensors"]
assert hubconf._inspect.__name__ == "inspect"
print([name for name in with_odd_names if getattr(vars(hubconf).get(name), "__signature__", None)])
"""
    done = subprocess.run([*python(), "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "['guest']\n", done.stderr


def test_an_error_is_the_zoos_own(repository: Path, tmp_path: Path) -> None:
    code = """
try:
    torch.hub.load(sys.argv[1], "mlp", source="local", weights="tinny_v1")
except Exception as error:
    print(type(error).__name__, error)
"""
    assert "ZooError unknown weight 'mlp.tinny_v1'; did you mean mlp.tiny_v1" in alone(code, repository, cwd=tmp_path)
