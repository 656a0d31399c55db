"""A process of its own that reads a `.pth` with torch's weights-only unpickler and writes its tensors as safetensors.

    python -m zoo.publishing.unpickle FILE OUT

That unpickler makes tensors and plain containers and calls nothing else. If a file attacks it nevertheless, the
damage ends with this process, whose memory and time are limited.
"""

from __future__ import annotations

import os
import sys
from typing import Any

_SECONDS = 600
_MEMORY = 4 << 30  # bytes, in addition to four times the file's size
_WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "net", "weights")


def main(source: str, out: str) -> None:
    """Write the state dict in `source` to `out`; a fault is reported in one line on standard error."""
    _limit(os.path.getsize(source))
    import torch
    from safetensors.torch import save_file

    try:
        content: Any = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # an unpickler of foreign bytes may raise anything
        raise SystemExit(f"torch's weights-only unpickler refuses it ({' '.join(str(error).split())[:300]})") from error
    for wrapper in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict):
        raise SystemExit(f"it holds {type(content).__name__} where a state dict is expected")
    tensors = {key: value for key, value in content.items() if isinstance(key, str) and isinstance(value, torch.Tensor)}
    if not tensors:
        raise SystemExit("it holds no tensors by name")
    save_file({key: tensor.detach().contiguous().clone() for key, tensor in tensors.items()}, out)


def _limit(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows has no such limits
        return
    for kind, limit in ((resource.RLIMIT_AS, 4 * size + _MEMORY), (resource.RLIMIT_CPU, _SECONDS)):
        _, hard = resource.getrlimit(kind)
        resource.setrlimit(kind, (limit if hard < 0 else min(limit, hard), hard))


if __name__ == "__main__":
    main(*sys.argv[1:])
