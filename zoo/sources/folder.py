"""A folder as a place: ROOT/index.json and ROOT/<weight>/FILE, or ROOT/FILE for a copy of a Hub repository.

The package's own bundles lie in such a folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from zoo.bundles.index import Entry, FileRecord, entry_of, has_tensors
from zoo.errors import ZooError
from zoo.home import locked, replacing
from zoo.integrity import sha256
from zoo.names import is_weight_name
from zoo.sources.place import INDEX, Content, Stamp, Tell, Unavailable

PACKAGE = Path(__file__).parents[1] / "pretrained"
_STAGING = ".publishing-"


@dataclass(frozen=True)
class Folder:
    """The place whose index is `root`/index.json. Its bundles are used where they lie."""

    root: Path
    holds_one = False

    @property
    def url(self) -> str:
        return str(self.root)

    def has_index(self) -> bool:
        """Whether the folder's index.json is an index, and not some other program's file of that name.

        A file that is not JSON counts as one: it may be a damaged index, and reading it reports that.
        """
        path = self.root / INDEX
        if not path.is_file():
            return False
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return True
        return isinstance(content, dict) and ("weights" in content or "shards" in content)

    def folder_of(self, entry: Entry) -> Path:
        """The folder with the weight's files: one of its name, or the index's own, as in a repository on the Hub."""
        folder = self.root / entry.name
        return self.root if has_tensors(self.root) and not folder.is_dir() else folder

    def path_of(self, weight: str, file: str) -> str:
        beside = has_tensors(self.root) and not (self.root / weight).is_dir()
        return file if beside else f"{weight}/{file}"

    def read(self, path: str, limit: int) -> bytes:
        where = self.root / path
        if path == INDEX and not where.is_file():
            raise Unavailable(
                f"the source {self.root} holds no index.json; publish a weight to it or correct ZOO_SOURCES."
            )
        try:
            with where.open("rb") as file:
                content = file.read(limit + 1)
        except OSError as error:
            raise Unavailable(f"{where} cannot be read ({error.strerror}); publish the weight again.") from error
        if len(content) > limit:
            raise Unavailable(f"{where} is longer than {limit:,} bytes; check the address.")
        return content

    def fetch(self, path: str, size: int, part: Path, tell: Tell) -> None:
        where = self.root / path
        if not where.is_file():
            raise Unavailable(f"{where} is listed in {self.root / INDEX} but is not there; publish the weight again.")
        with where.open("rb") as file, part.open("wb") as out:
            left = size + 1
            while left > 0 and (chunk := file.read(min(1 << 20, left))):
                out.write(chunk)
                tell(len(chunk))
                left -= len(chunk)

    def claim(self, weight: str, files: Mapping[str, FileRecord]) -> bool:
        target = self.root / weight
        return not target.exists() or (target.is_dir() and _hashes(target) == dict(files))

    def begin(self) -> tuple[bytes | None, Stamp]:
        path = self.root / INDEX
        try:
            content = path.read_bytes() if path.exists() else None
        except OSError as error:
            raise ZooError(f"{path} cannot be read ({error.strerror}); choose another folder.") from error
        return content, content

    def replace(
        self, what: str, files: Mapping[str, Content], index: bytes, stamp: Stamp, tell: Tell, drop: Iterable[str] = ()
    ) -> bool:
        lock = self.root / ".index.lock"
        try:
            with locked(lock):
                try:
                    if self.begin()[1] != stamp:
                        return False
                    for left in self.root.glob(f"{_STAGING}*"):  # left by a killed process; now we hold the lock
                        shutil.rmtree(left, ignore_errors=True)
                    self._add(files, index, tell)
                    for path in drop:
                        (self.root / path).unlink(missing_ok=True)
                finally:
                    with suppress(OSError):  # the folder may be read-only; if another process has it open it stays
                        lock.unlink()
        except OSError as error:
            raise ZooError(
                f"{self.root} cannot be written ({error.strerror or error}); choose another folder."
            ) from error
        return True

    def _add(self, files: Mapping[str, Content], index: bytes, tell: Tell) -> None:
        """Put whole folders of weights into place, then the other files, and then the index."""
        weights: dict[str, dict[str, Content]] = {}
        for path, content in files.items():
            weight, _, file = path.partition("/")
            if is_weight_name(weight):
                weights.setdefault(weight, {})[file] = content
            else:
                self._write(self.root / path, content)
        new = [self.root / weight for weight in weights if not (self.root / weight).exists()]
        try:
            for weight, content in weights.items():
                self._add_weight(weight, content, tell)
            self._write(self.root / INDEX, index)
        except BaseException:
            for folder in new:
                shutil.rmtree(folder, ignore_errors=True)
            raise

    def _add_weight(self, weight: str, files: Mapping[str, Content], tell: Tell) -> None:
        target, staging = self.root / weight, self.root / f"{_STAGING}{uuid.uuid4().hex[:12]}"
        try:
            if target.exists():
                ours = {file: _record(content) for file, content in files.items()}
                if target.is_dir() and _hashes(target) == ours:
                    return tell(sum(record.size for record in ours.values()))
                raise ZooError(
                    f"{target} exists and holds something else, which no index lists; remove it or give another name."
                )
            staging.mkdir()
            for file, content in files.items():
                _put(staging / file, content, tell)
            staging.rename(target)
        except OSError as error:
            raise ZooError(
                f"{target} cannot be written ({error.strerror or error}); free some space or choose another folder."
            ) from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)

    def _write(self, path: Path, content: Content) -> None:
        with replacing(path) as temporary:
            _put(temporary, content, lambda count: None)


def copy_bundle(files: Mapping[str, Path], entry: Entry, to: Path) -> Path:
    """Copy the `files` of a weight to `to`/<weight>, all or none; existing files with the same bytes are left as they
    are."""
    target, staging, lock = to / entry.name, to / f".{entry.name}.staging", to / f".{entry.name}.lock"
    try:
        with locked(lock):
            try:
                if target.exists():
                    if target.is_dir() and entry_of(target, entry.name, entry.default).files == entry.files:
                        return target
                    raise ZooError(f"{target} exists and holds something else; remove it or choose another folder.")
                shutil.rmtree(staging, ignore_errors=True)  # left by a killed process; now we hold the lock
                staging.mkdir()
                for file, path in files.items():
                    shutil.copyfile(path, staging / file)
                if entry_of(staging, entry.name, entry.default).files != entry.files:
                    raise ZooError(f"the files of {entry.name} changed while they were copied to {to}; try again.")
                staging.rename(target)
            finally:
                shutil.rmtree(staging, ignore_errors=True)
                with suppress(OSError):
                    lock.unlink()
    except OSError as error:
        raise ZooError(
            f"{target} cannot be written ({error.strerror or error}); free some space or choose another folder."
        ) from error
    return target


def _put(path: Path, content: Content, tell: Tell) -> None:
    if isinstance(content, bytes):
        path.write_bytes(content)
        return tell(len(content))
    with content.open("rb") as file, path.open("wb") as out:
        while chunk := file.read(1 << 20):
            out.write(chunk)
            tell(len(chunk))


def _hashes(folder: Path) -> dict[str, FileRecord]:
    return {path.name: _record(path) for path in folder.iterdir() if path.is_file()}


def _record(content: Content) -> FileRecord:
    if isinstance(content, bytes):
        return FileRecord(hashlib.sha256(content).hexdigest(), len(content))
    return FileRecord(sha256(content), content.stat().st_size)
