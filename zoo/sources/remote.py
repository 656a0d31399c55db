"""A bucket, or any other file system of fsspec, as a place: s3://BUCKET/PATH, gs://…, az://…, memory://….

`pip install 'reprozoo[remote]'` brings fsspec; each file system has its own package (s3fs, gcsfs, adlfs), which finds
credentials in its own way.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.bundles.index import FileRecord
from zoo.errors import ZooError
from zoo.home import offline
from zoo.sources.place import INDEX, Content, Stamp, Tell, Unavailable, shown

_CHUNK = 8 << 20
_CLAIM = "publishing.json"
# Without these the S3 client waits a minute for a server that does not answer, and again for each try.
_OPTIONS: dict[str, dict[str, Any]] = {
    "s3": {"config_kwargs": {"connect_timeout": 10, "read_timeout": 20, "retries": {"max_attempts": 2}}}
}


@dataclass(frozen=True)
class Remote:
    """The place whose root is the path `root` of an fsspec file system."""

    address: str
    fs: Any
    root: str
    _put_before: set[tuple[str, Content]] = field(default_factory=set, compare=False, repr=False)
    holds_one = False

    @property
    def url(self) -> str:
        return shown(self.address)

    def path_of(self, weight: str, file: str) -> str:
        return f"{weight}/{file}"

    def read(self, path: str, limit: int) -> bytes:
        with self._told(f"does not give {path}"):
            size = self._info(path)["size"]
            if size > limit:
                raise Unavailable(f"{self.url}/{path} is longer than {limit:,} bytes; check the address.")
            return self.fs.cat_file(f"{self.root}/{path}")

    def fetch(self, path: str, size: int, part: Path, tell: Tell) -> None:
        where, note = f"{self.root}/{path}", part.with_name(f"{part.name}.from")
        with self._told(f"does not give {path}"):
            info = self._info(path)
            version = f"{self.url}/{path}\n{_version(info)}"
            known = note.is_file() and part.is_file() and note.read_text(encoding="utf-8") == version
            start, end = part.stat().st_size if known else 0, min(info["size"], size + 1)
            note.write_text(version, encoding="utf-8")
            tell(start)
            with part.open("ab" if start else "wb") as out:
                for at in range(start, end, _CHUNK):
                    chunk = self.fs.cat_file(where, start=at, end=min(at + _CHUNK, end))
                    out.write(chunk)
                    tell(len(chunk))
        note.unlink(missing_ok=True)

    def claim(self, weight: str, files: Mapping[str, FileRecord]) -> bool:
        """In a bucket a folder cannot appear in one step, so a small file first says which files will be there."""
        where = f"{self.root}/{weight}/{_CLAIM}"
        ours = json.dumps({file: record.sha256 for file, record in sorted(files.items())}).encode()
        with self._told("cannot be published to"):
            self.fs.makedirs(where.rpartition("/")[0], exist_ok=True)
            if _unless_changed(lambda: self.fs.pipe_file(where, ours, mode="create")):
                return True
            self.fs.invalidate_cache()
            return self.fs.cat_file(where) == ours

    def begin(self) -> tuple[bytes | None, Stamp]:
        with self._told("cannot be published to"):
            try:
                info = self._info(INDEX)
            except FileNotFoundError:
                return None, None
            content = self.fs.cat_file(f"{self.root}/{INDEX}")
            again = self._info(INDEX)
            if _version(info) != _version(again):  # replaced meanwhile; the stamp must be of these bytes
                return self.begin()
            return content, again.get("ETag") or content

    def replace(
        self, what: str, files: Mapping[str, Content], index: bytes, stamp: Stamp, tell: Tell, drop: Iterable[str] = ()
    ) -> bool:
        """Upload the missing files, then replace the index: in one step on S3, elsewhere after checking it once
        more."""
        with self._told("cannot be published to"):
            for path, content in files.items():
                self._put(path, content, tell)
            if not self._swap(index, stamp):
                return False
            for path in drop:
                self.fs.rm_file(f"{self.root}/{path}")
            return True

    def _put(self, path: str, content: Content, tell: Tell) -> None:
        where = f"{self.root}/{path}"
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        known = (where, content) in self._put_before  # written by an earlier try of this call
        self._put_before.add((where, content))
        if not known and not self._same(where, content, size):
            self.fs.makedirs(where.rpartition("/")[0], exist_ok=True)
            if isinstance(content, bytes):
                self.fs.pipe_file(where, content)
            else:
                from fsspec.callbacks import Callback

                done = [0]

                def sent(_size: Any, value: int, **_more: Any) -> None:
                    tell(value - done[0])
                    done[0] = value

                self.fs.put_file(str(content), where, callback=Callback(hooks={"progress": sent}))
                return
        tell(size)

    def _same(self, where: str, content: Content, size: int) -> bool:
        """Whether an interrupted publication left this file; its bytes are compared."""
        try:
            if self._fresh_info(where)["size"] != size:
                return False
        except FileNotFoundError:
            return False
        import hashlib

        ours, theirs = hashlib.sha256(), hashlib.sha256()
        for at in range(0, size, _CHUNK):
            theirs.update(self.fs.cat_file(where, start=at, end=min(at + _CHUNK, size)))
        if isinstance(content, bytes):
            ours.update(content)
        else:
            with content.open("rb") as file:
                while chunk := file.read(_CHUNK):
                    ours.update(chunk)
        return ours.digest() == theirs.digest()

    def _swap(self, index: bytes, stamp: Stamp) -> bool:
        where = f"{self.root}/{INDEX}"
        if _scheme(self.fs) == "s3":
            condition = {"mode": "create"} if stamp is None else {"IfMatch": stamp}
            return _unless_changed(lambda: self.fs.pipe_file(where, index, **condition))
        if stamp is None:
            try:
                self.fs.pipe_file(where, index, mode="create")
            except FileExistsError:
                return False
            return True
        if _scheme(self.fs) != "memory":
            warnings.warn(
                f"{self.url} has no write that fails if somebody else was faster; publish to it one at a time.",
                stacklevel=2,
            )
        if self.begin()[1] != stamp:
            return False
        self.fs.pipe_file(where, index)
        return True

    def _info(self, path: str) -> dict[str, Any]:
        return self._fresh_info(f"{self.root}/{path}")

    def _fresh_info(self, where: str) -> dict[str, Any]:
        self.fs.invalidate_cache()  # fsspec remembers listings, and other processes write too
        return self.fs.info(where)

    @contextmanager
    def _told(self, failing: str) -> Iterator[None]:
        if offline() and _scheme(self.fs) not in ("memory", "file"):
            raise Unavailable(f"{self.url} {failing}: ZOO_OFFLINE forbids the network; unset it.")
        try:
            yield
        except (ZooError, KeyboardInterrupt):
            raise
        except FileNotFoundError as error:
            raise Unavailable(f"{self.url} {failing}: it is not there; check the address.") from error
        except OSError as error:
            import errno

            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):  # from this machine's disk
                raise
            raise Unavailable(
                f"{self.url} {failing} ({_first_line(error)}); check the network and try again."
            ) from error
        except Exception as error:  # each file system has its own errors
            raise Unavailable(
                f"{self.url} {failing} ({_first_line(error)}); check the address and your credentials."
            ) from error


def at(url: str) -> Remote:
    """The place that an fsspec URL means."""
    try:
        from fsspec.core import url_to_fs
    except ImportError as error:
        raise ZooError(f"{shown(url)} needs fsspec; install it with: pip install 'reprozoo[remote]'.") from error
    scheme = url.partition("://")[0]
    try:
        fs, root = url_to_fs(url.rstrip("/"), **_OPTIONS.get(scheme, {}))
    except ImportError as error:
        raise ZooError(f"{shown(url)} needs another package ({_first_line(error)}).") from error
    except (ValueError, TypeError, OSError) as error:
        raise ZooError(
            f"{shown(url)} is not a source that can be read ({_first_line(error)}); "
            "use https://, hf://OWNER/REPO, a folder, or an fsspec URL such as s3://BUCKET/PATH."
        ) from error
    return Remote(url.rstrip("/"), fs, root.rstrip("/"))


def _unless_changed(write: Callable[[], Any]) -> bool:
    try:
        write()
    except FileExistsError:
        return False
    except OSError as error:
        answer = getattr(error.__cause__, "response", None) or {}
        if answer.get("Error", {}).get("Code") in ("PreconditionFailed", "ConditionalRequestConflict"):
            return False
        raise
    return True


def _version(info: Mapping[str, Any]) -> str:
    return "|".join(str(info.get(key)) for key in ("size", "ETag", "etag", "mtime", "LastModified", "created"))


def _scheme(fs: Any) -> str:
    protocol = fs.protocol if isinstance(fs.protocol, str) else fs.protocol[0]
    return "s3" if protocol in ("s3", "s3a") else protocol


def _first_line(error: Exception) -> str:
    return shown((str(error).splitlines() or [type(error).__name__])[0])[:200]
