"""Float16 files as float32 tensors."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from zoo.bundles.widen import PIECE, widened

TENSORS = {
    "long": torch.randn(2 * PIECE + 7).half(),
    "exact": torch.randn(PIECE // 4, 4).half(),
    "scalar": torch.tensor(1.5, dtype=torch.float16),
    "empty": torch.empty(0, 3, dtype=torch.float16),
    "brain": torch.randn(40_000).bfloat16(),
    "edges": torch.tensor([float("inf"), float("-inf"), float("nan"), 65504.0, 6e-8, -0.0]).half(),
    "whole": torch.arange(100_000),
    "single": torch.randn(3),
    "mask": torch.tensor([True, False]),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_every_bit_is_what_torch_makes_of_it(tmp_path: Path, dtype: torch.dtype) -> None:
    save_file(TENSORS, tmp_path / "t.safetensors")
    found = widened(tmp_path / "t.safetensors", dtype)
    assert found is not None and found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        expected = tensor.to(dtype) if tensor.is_floating_point() else tensor
        assert found[name].dtype == expected.dtype and found[name].shape == expected.shape, name
        assert torch.equal(found[name].nan_to_num(7), expected.nan_to_num(7)), name


def test_each_tensor_has_a_storage_of_its_own_that_can_be_written(tmp_path: Path) -> None:
    """Saving the head alone must not write the whole model, and training writes where the tensors lie."""
    tensors = {"large": torch.randn(6 << 20).half(), "small": torch.arange(5.0).half()}  # 25 MB: memory by large pages
    save_file(tensors, tmp_path / "t.safetensors")
    found = widened(tmp_path / "t.safetensors", torch.float32)
    assert found is not None and torch.equal(found["large"], tensors["large"].float())
    torch.save(found["small"], tmp_path / "small.pt")
    assert (tmp_path / "small.pt").stat().st_size < 10_000
    assert all(tensor.data_ptr() % 64 == 0 for tensor in found.values())
    found["small"].add_(1)
    assert found["small"].tolist() == [1.0, 2.0, 3.0, 4.0, 5.0] and torch.equal(
        found["large"], tensors["large"].float()
    )
    kept = found.pop("small")
    found.clear()
    assert kept.share_memory_().tolist() == [1.0, 2.0, 3.0, 4.0, 5.0]


def test_a_file_with_nothing_to_widen_is_left_to_safetensors(tmp_path: Path) -> None:
    save_file({"a": torch.randn(3)}, tmp_path / "single.safetensors")
    save_file({"a": torch.randn(3).half()}, tmp_path / "half.safetensors")
    assert widened(tmp_path / "single.safetensors", torch.float32) is None
    assert widened(tmp_path / "half.safetensors", torch.float16) is None
    assert widened(tmp_path / "half.safetensors", torch.bfloat16) is None


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.safetensors"
    save_file({"a": torch.randn(1000).half()}, path)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(SafetensorError):
        widened(path, torch.float32)


def test_no_conversion_is_long_enough_for_a_parallel_region() -> None:
    """at::internal::GRAIN_SIZE: fewer elements are computed by the thread that asks."""
    assert PIECE < 32_768


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux says how much memory was in use at most")
def test_the_peak_is_little_above_the_parameters_themselves() -> None:
    code = """
import torch, zoo
def kilobytes(key):
    return int(next(line for line in open("/proc/self/status") if line.startswith(key)).split()[1])
zoo.create("mlp", pretrained=True), zoo.create("resnet18_cifar")
open("/proc/self/clear_refs", "w").write("5")
before = kilobytes("VmRSS")
model = zoo.create("resnet18_cifar", pretrained=True)
sum(float(parameter.detach().sum()) for parameter in model.parameters())
print((kilobytes("VmHWM") - before) * 1024 / sum(4 * parameter.numel() for parameter in model.parameters()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert 0.5 < float(done.stdout) <= 1.3, done.stderr
