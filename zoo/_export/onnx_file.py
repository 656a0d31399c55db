"""The ONNX files of the zoo: their metadata, and whether they are unchanged since they were written.

A file ends with its own metadata entry, `zoo.file`: the SHA-256 of all bytes before that entry. Needs neither
torch nor onnx.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zoo.errors import ZooError

KEY = "zoo.file"
INSTALL = 'install it with: pip install "reprozoo[export]"'


def signed(model: bytes, about: dict[str, str]) -> bytes:
    """An ONNX model with `about` in its metadata, followed by the hash of everything."""
    whole = model + b"".join(_entry(key, value) for key, value in about.items())
    return whole + _entry(KEY, hashlib.sha256(whole).hexdigest())


def _entry(key: str, value: str) -> bytes:
    """One metadata_props of a ModelProto, which may be at the end of its bytes, like any repeated field."""
    pair = b"".join(_field(number, text.encode()) for number, text in ((1, key), (2, value)))
    return _field(14, pair)


def _field(number: int, content: bytes) -> bytes:
    size, length = len(content), bytearray()
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2]) + bytes([*length, size]) + content


@dataclass(frozen=True)
class OnnxFile:
    """A file that the zoo wrote, whole and unchanged. `about` is its metadata, `config` the weight's config.json."""

    path: Path
    session: Any
    about: dict[str, str] = field(repr=False)

    @property
    def weight(self) -> str:
        return self.about["zoo.weight"]

    @property
    def config(self) -> dict[str, Any]:
        return json.loads(self.about["zoo.config"])

    @property
    def report(self) -> dict[str, Any]:
        """The results of the export: exporter, agreement, metric, published, measured."""
        return json.loads(self.about["zoo.export"])

    @property
    def outputs(self) -> list[str]:
        return [output.name for output in self.session.get_outputs()]

    def run(self, arrays: dict[str, Any]) -> list[Any]:
        """The outputs for input arrays by name."""
        return self.session.run(None, arrays)

    def tokenizer(self) -> Any:
        """The `tokenizers.Tokenizer` beside the file, checked to be the one from its export; None if it needs none."""
        expected = self.about.get("zoo.tokenizer")
        if expected is None:
            return None
        from tokenizers import Tokenizer

        path = self.path.with_name("tokenizer.json")
        if not path.is_file():
            raise ZooError(f"{self.path} needs the tokenizer.json that was written beside it; put it there.")
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest() != expected:
            raise ZooError(f"{path} is not the tokenizer of {self.path}; export {self.weight} again, into one folder.")
        return Tokenizer.from_str(content.decode())


def open_file(path: str | os.PathLike[str], threads: int = 0) -> OnnxFile:
    """The zoo's ONNX file at `path`, ready to run on `threads` threads (0 for onnxruntime's own choice).

    Raises `ZooError` if onnxruntime is not installed, and for a file that does not exist, that the zoo did not write,
    or that was changed since.
    """
    path = Path(os.path.expanduser(path))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror}); give the file that `zoo export` wrote.") from error
    end = _entry(KEY, "0" * 64)
    body, last = content[: -len(end)], content[-len(end) :]
    if last[:-64] != end[:-64]:
        raise ZooError(f"{path} is not an ONNX file of the zoo, or it was cut; export a weight with `zoo export`.")
    if hashlib.sha256(body).hexdigest().encode() != last[-64:]:
        raise ZooError(f"{path} was changed after `zoo export` wrote it (its SHA-256 differs); export it again.")
    session = session_of(content, threads)
    return OnnxFile(path, session, dict(session.get_modelmeta().custom_metadata_map))


def session_of(content: bytes, threads: int = 0) -> Any:
    """An onnxruntime session of a model; `ZooError` if onnxruntime is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise ZooError(f"ONNX files need onnxruntime; {INSTALL}.") from error
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # failures are raised anyway, and failing files of an exporter are expected
    if threads:
        options.intra_op_num_threads = options.inter_op_num_threads = threads
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
