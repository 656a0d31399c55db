"""A bundle as an object. Every file that it gives lies inside its folder and has the published bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from zoo.bundles import shards
from zoo.bundles.index import SCHEMA, SHARDED, TENSORS, Entry, files_in, parse_json, required
from zoo.bundles.log import read_log
from zoo.errors import ZooError
from zoo.integrity import check_file, checked, read_checked
from zoo.names import check_file_name, model_of, stem_of

T = TypeVar("T")
_CONFIG = {"model": str, "model_args": dict, "task": str, "labels": list, "input": dict}


@dataclass(frozen=True)
class Bundle:
    """A folder with a weight; `name` and `entry` are None if no index lists it."""

    folder: Path
    name: str | None = None
    entry: Entry | None = None

    def path(self, file: str) -> Path:
        """The path of one of the bundle's files, after its bytes were checked; later there may be another file at this
        path.

        The bytes are checked against the index; without one (a run's folder) the tensors are checked against the
        `sha256` in metrics.json. Raises `ZooError` if the file is absent, leaves the folder, or has other bytes.
        """
        path, digest, size = self._expected(file)
        if digest is not None:
            check_file(path, digest, size)
        return path

    def content(self, file: str) -> bytes:
        """The bytes of one of the bundle's small files: the same bytes that were checked."""
        return read_checked(*self._expected(file))

    @contextmanager
    def opened(self, file: str) -> Iterator[Path]:
        """The path of the checked file itself, while the body runs; for libraries that read by path."""
        path, digest, size = self._expected(file)
        if digest is None:
            yield path
            return
        with checked(path, digest, size) as same:
            yield same

    def _expected(self, file: str) -> tuple[Path, str | None, int | None]:
        """Where a file is, with the hash and size that it must have, if anything vouches for it."""
        path = _inside(self.folder, file)
        if self.entry is not None:
            if file not in self.entry.files:
                raise ZooError(
                    f"{file} of {self.name} is not in the index, so nothing vouches for it; publish it again."
                )
            return path, self.entry.files[file].sha256, self.entry.files[file].size
        if file in (TENSORS, SHARDED):
            digest = self.metrics.get("sha256")
            if not isinstance(digest, str):
                raise ZooError(
                    f"{self.folder / 'metrics.json'} lacks the sha256 of {file}; finish the run or publish it again."
                )
            return path, digest, None
        if not file.endswith(".safetensors") or self.shards is None or file not in self.shards.files:
            return path, None, None
        if file not in self.shards.sha256:
            raise ZooError(
                f"{self.folder / SHARDED} has no sha256 of {file}, so nothing vouches for it; make a bundle of the "
                "tensors with `zoo import`."
            )
        return path, self.shards.sha256[file], None

    @cached_property
    def config(self) -> dict[str, Any]:
        """config.json, of the right schema and types, and of the model that the weight's name begins with."""
        path = self.folder / "config.json"
        config = _versioned(self.content("config.json"), path)
        for key, kind in _CONFIG.items():
            if not isinstance(config.get(key), kind):
                raise ZooError(
                    f"{path}: {key} is {config.get(key)!r} where a {kind.__name__} is expected; publish it again."
                )
        if self.name is not None and model_of(self.name) != stem_of(config["model"]):
            raise ZooError(f"{self.name} holds a {config['model']!r}, not what its name says; ask its publisher.")
        return config

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """metrics.json."""
        return _versioned(self.content("metrics.json"), self.folder / "metrics.json")

    @cached_property
    def recipe(self) -> str:
        """The text of recipe.yaml."""
        return _text(self.content("recipe.yaml"), self.folder / "recipe.yaml")

    @cached_property
    def log(self) -> list[dict[str, str]]:
        """The rows of log.csv: column -> a number as text, or ""."""
        path = self.folder / "log.csv"
        return read_log(_text(self.content("log.csv"), path), str(path))

    @cached_property
    def whole(self) -> str:
        """The file whose hash is that of the tensors: model.safetensors, or the index of the files that hold them."""
        return required(self.entry.files if self.entry else files_in(self.folder))[0]

    @cached_property
    def shards(self) -> shards.Shards | None:
        """Which file holds which tensors; None if model.safetensors holds all."""
        if self.whole == TENSORS:
            return None
        path = self.folder / SHARDED
        if path.stat().st_size > shards.LIMIT:
            raise shards.too_long(str(path))
        return shards.parse(self.content(SHARDED), str(path))

    @property
    def tensor_files(self) -> list[str]:
        """The files that loading reads tensors from."""
        return [TENSORS] if self.shards is None else [*self.shards.files]

    @property
    def tensors(self) -> Path:
        """The path of `whole`, once all files of tensors were checked."""
        for file in self.tensor_files:
            self.path(file)
        return self.path(self.whole)

    def read_tensors(self, read: Callable[[Path, str], dict[str, T]]) -> dict[str, T]:
        """What `read(path, name)` returns for each tensor in the checked files.

        Raises `ZooError` if a file has other bytes than the published ones, or other tensors than their index says.
        """
        if self.shards is not None:
            return self.shards.read(self.opened, read)
        with self.opened(TENSORS) as path:
            return read(path, TENSORS)

    @property
    def tokenizer(self) -> Path | None:
        """The path of the checked tokenizer.json, None if the input needs none."""
        file = self.config["input"].get("tokenizer")
        return None if file is None else self.path(check_file_name(str(file), str(self.folder / "config.json")))


def open_bundle(folder: Path, *, name: str | None = None, entry: Entry | None = None) -> Bundle:
    """The bundle in `folder`; its files are read and checked when they are first used.

    Raises `ZooError` if one of the files that every bundle has is absent or leaves the folder.
    """
    if not folder.is_dir():
        raise ZooError(f"there is no bundle at {folder}; give the folder that holds {TENSORS}.")
    for file in required(files_in(folder)) if entry is None else entry.files:
        _inside(folder, file)
    return Bundle(folder, name, entry)


def _inside(folder: Path, file: str) -> Path:
    """The path of an existing file that lies in the folder itself, after links are followed."""
    path = folder / check_file_name(file, str(folder))
    if not path.is_file():
        raise ZooError(f"the bundle {folder} has no file {file}; fetch or publish it again.")
    if path.is_symlink() and path.resolve().parent != folder.resolve():
        raise ZooError(f"{path} is a link that leaves the bundle, to {path.resolve()}; put the file itself there.")
    return path


def _text(raw: bytes, path: Path) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ZooError(f"{path} is not text; fetch or publish the bundle again.") from error


def _versioned(raw: bytes, path: Path) -> dict[str, Any]:
    content = parse_json(_text(raw, path), str(path))
    if type(content.get("schema")) is not int or content["schema"] != SCHEMA:  # for Python, True is 1
        raise ZooError(f"{path} has schema {content.get('schema')!r} where this zoo reads {SCHEMA}; upgrade the zoo.")
    return content
