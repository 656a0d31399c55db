"""A large weight is never in memory twice: neither when it is imported from the Hub's shards nor when it is loaded."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

WIDTH, LAYERS = 2048, 12  # 16 MiB a layer
CHILD = """
import sys, torch, zoo, zoo.bundles.load, zoo.sources.finding
from zoo.publishing.importing import import_weight
def memory(key):
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith(key + ":"))
what, folder, width, layers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
open("/proc/self/clear_refs", "w").write("5")
before = memory("VmRSS")
if what == "import":
    arguments = {"in_features": width, "widths": [width] * layers}
    import_weight(f"{folder}/model.safetensors.index.json", "mlp", to=f"{folder}/mlp.large_v1", model_args=arguments)
else:
    model = zoo.create(f"{folder}/mlp.large_v1")
    assert all(parameter.sum() != 0.5 for parameter in model.parameters())
print((memory("VmHWM") - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux says how much memory was used")
def test_memory_stays_near_the_size_of_the_file(tmp_path: Path) -> None:
    names: dict[str, str] = {}
    for layer in range(LAYERS):
        file = f"model-{layer}.safetensors"
        part = {f"body.{2 * layer}.weight": torch.ones(WIDTH, WIDTH), f"body.{2 * layer}.bias": torch.zeros(WIDTH)}
        if not layer:
            part |= {"head.weight": torch.zeros(10, WIDTH), "head.bias": torch.zeros(10)}
        save_file(part, tmp_path / file)
        names |= dict.fromkeys(part, file)
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    for what in ("import", "load"):
        command = [sys.executable, "-c", CHILD, what, str(tmp_path), str(WIDTH), str(LAYERS)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        size = (tmp_path / "mlp.large_v1" / "model.safetensors").stat().st_size
        assert float(done.stdout.split()[-1]) < 1.2 * size + (40 << 20), what
