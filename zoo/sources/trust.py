"""Which indexes are trusted: signatures by the OpenSSF's model-signing (`pip install 'reprozoo[sign]'`).

A root names the hash of every file, directly or part by part, so a signature of the root covers everything. The
signature of the root with the SHA-256 H lies at index/H.sig, where it can be put before the root changes. Each new
signed root has a higher `serial`; the highest one seen is remembered, so that an older root is refused.

ZOO_TRUST holds the paths of public keys (PEM, elliptic curve), comma-separated. If it is set, sources that none of
these keys signed are refused; the package's own is always accepted.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

from zoo.errors import ZooError
from zoo.home import home, replacing
from zoo.sources.place import INDEX, Place, Unavailable

_LIMIT = 1 << 20  # the most bytes of a signature


def signature_path(root: bytes) -> str:
    """The path of a root's signature in its place."""
    return f"index/{hashlib.sha256(root).hexdigest()}.sig"


def sign(root: bytes, key: str | os.PathLike[str]) -> bytes:
    """The signature of a root by the private key in a PEM file; `ZooError` if that cannot sign."""
    signing = _library("signing")
    with tempfile.TemporaryDirectory() as scratch:
        folder, out = _as_folder(Path(scratch), root), Path(scratch) / "signature"
        try:
            signing.Config().use_elliptic_key_signer(private_key=_key(key)).sign(folder, out)
        except Exception as error:  # the libraries below raise almost anything for an unusable key
            raise ZooError(
                f"{key} cannot sign ({_first(error)}); give the private key of an elliptic curve."
            ) from error
        return out.read_bytes()


def check(place: Place, root: bytes, serial: int | None) -> None:
    """If ZOO_TRUST is set, raise `Unavailable` unless one of its keys signed this root and no newer root was seen."""
    keys = [key.strip() for key in os.environ.get("ZOO_TRUST", "").split(",") if key.strip()]
    if not keys:
        return
    digest = hashlib.sha256(root).hexdigest()
    note = home() / "trust" / f"{hashlib.sha256(place.url.encode()).hexdigest()[:16]}.json"
    known = _known(note)
    fingerprint = hashlib.sha256(b"".join(_key(key).read_bytes() for key in keys)).hexdigest()
    if (known.get("sha256"), known.get("keys")) == (digest, fingerprint):
        return
    try:
        signature = place.read(signature_path(root), _LIMIT)
    except Unavailable as error:
        raise Unavailable(f"{place.url} is not signed, and ZOO_TRUST asks for it ({error})") from error
    _verify(place, root, signature, keys)
    if serial is None or serial < known.get("serial", 0):
        raise Unavailable(
            f"{place.url} shows an older index (serial {serial}) than it did before ({known.get('serial')}); "
            "somebody may want you to load old weights: ask its publisher."
        )
    if serial == known.get("serial") and digest != known.get("sha256"):
        raise Unavailable(f"{place.url} shows two indexes of the same serial {serial}; ask its publisher.")
    content = json.dumps({"serial": serial, "sha256": digest, "keys": fingerprint})
    with suppress(OSError), replacing(note) as temporary:
        temporary.write_text(content, encoding="utf-8")


def check_nothing_added(folder: Path, files: Any) -> None:
    """Raise `ZooError` if a signed weight's folder has files that its index does not list."""
    if os.environ.get("ZOO_TRUST") and (more := sorted({path.name for path in folder.iterdir()} - set(files))):
        raise ZooError(f"{folder} has {', '.join(more[:3])}, which the signed index does not list; remove it.")


def _verify(place: Place, root: bytes, signature: bytes, keys: list[str]) -> None:
    verifying = _library("verifying")
    said = ""
    for key in keys:
        with tempfile.TemporaryDirectory() as scratch:
            folder, path = _as_folder(Path(scratch), root), Path(scratch) / "signature"
            path.write_bytes(signature)
            try:
                verifying.Config().use_elliptic_key_verifier(public_key=_key(key)).verify(folder, path)
                return
            except Exception as error:  # any error means that this key did not sign these bytes
                said = _first(error)
    raise Unavailable(f"{place.url}: none of the keys in ZOO_TRUST signed its index ({said}); do not use it.")


def _as_folder(scratch: Path, root: bytes) -> Path:
    """A folder with the root in it, which the library signs and verifies."""
    folder = scratch / "index"
    folder.mkdir()
    (folder / INDEX).write_bytes(root)
    return folder


def _known(note: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError):
        content = json.loads(note.read_text(encoding="utf-8"))
        if isinstance(content, dict) and isinstance(content.get("serial"), int):
            return content
    return {}


def _key(key: str | os.PathLike[str]) -> Path:
    path = Path(os.path.expanduser(key))
    if not path.is_file():
        raise ZooError(f"there is no key {path}; give the path of a PEM file, or correct ZOO_TRUST.")
    return path


def _library(name: str) -> Any:
    try:
        import importlib

        return importlib.import_module(f"model_signing.{name}")
    except ImportError as error:
        raise ZooError("signatures need model-signing; install it with: pip install 'reprozoo[sign]'.") from error


def _first(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200] or type(error).__name__
