"""Masks of dropout from few random bits, and the recipe's switch for them."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import zoo
from zoo import ZooError
from zoo.recipes import parse
from zoo.training.machine import draws
from zoo.training.machine.dropout import use_fast_dropout

SMALL: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [32], "dropout": 0.3},
    "init": "default",
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "adamw", "lr": 0.003},
    "train": {"epochs": 1, "fast_dropout": True},
}


def dropped(rate: float, x: Tensor, seed: int = 3, *, inplace: bool = False) -> Tensor:
    layer = nn.Dropout(rate, inplace)
    use_fast_dropout(layer)
    torch.manual_seed(seed)
    return layer(x)


@pytest.mark.parametrize("rate", [0.1, 0.3, 0.5, 0.9, 0.002, 0.998])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_fast_mask_keeps_its_share_and_the_mean(rate: float, dtype: torch.dtype) -> None:
    keep = round(256 * (1 - rate)) / 256
    mask = dropped(rate, torch.ones(1001, 999, dtype=dtype))
    assert mask.dtype == dtype and set(mask.unique().tolist()) == {0.0, torch.tensor(1 / keep, dtype=dtype).item()}
    deviation = (keep * (1 - keep) / mask.numel()) ** 0.5
    for part in (mask, mask[:, ::8], mask[::8]):  # no place in a word of the generator is another than the rest
        share = (part > 0).double().mean().item()
        assert abs(share - keep) < 4 * deviation * (mask.numel() / part.numel()) ** 0.5
    if dtype == torch.float32:
        assert abs(mask.double().mean().item() - 1) < 4 * deviation / keep
    assert abs(keep - (1 - rate)) <= 1 / 512 and not torch.equal(mask[0], mask[1])


def test_a_rate_that_rounds_to_zero_or_one_uses_torchs_own_masks() -> None:
    mask = dropped(0.001, torch.ones(1000, 1000))
    assert 800 < (mask == 0).sum() < 1200
    assert dropped(0.0, torch.ones(9)).tolist() == [1.0] * 9


def test_a_mask_is_on_its_inputs_device_whatever_the_default_device_is() -> None:
    x = torch.ones(9, 9)
    with torch.device("meta"):
        assert torch.equal(dropped(0.5, x), dropped(0.5, x))


def test_the_same_seed_gives_the_same_mask_and_its_gradient_is_the_mask() -> None:
    x = torch.ones(7, 5, requires_grad=True)
    one, same, other = dropped(0.5, x), dropped(0.5, x), dropped(0.5, x, seed=4)
    assert torch.equal(one, same) and not torch.equal(one, other)
    one.sum().backward()
    assert x.grad is not None and torch.equal(x.grad, one.detach())


def test_in_place_it_gives_the_same_and_measuring_drops_nothing() -> None:
    x = torch.randn(7, 5)
    expected = dropped(0.5, x)
    assert not torch.equal(expected, x)
    assert dropped(0.5, x, inplace=True) is x and torch.equal(x, expected)
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.5))
    use_fast_dropout(net)
    copied = copy.deepcopy(net).eval()
    assert torch.equal(copied(x), x) and not torch.equal(net(x), x)
    assert torch.equal(net.eval()(x), x)


def test_the_switch_changes_the_masks_alone_and_pieces_drop_what_the_whole_drops(tmp_path) -> None:
    ways = [{}, {"accumulate": 4}, {"fast_dropout": False}]
    runs = [
        zoo.train({**SMALL, "train": {**SMALL["train"], **way}}, out=tmp_path / str(n), device="cpu")
        for n, way in enumerate(ways)
    ]
    fast, piecewise, usual = (float(run.log[-1]["train_loss"]) for run in runs)
    assert piecewise == pytest.approx(fast, rel=1e-6)
    assert usual != fast and usual == pytest.approx(fast, rel=0.1)


class Both(nn.Module):
    """Dropout as a layer, and as a function before and after it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Dropout(0.4)

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(self.layer(F.dropout(x, 0.2)), 0.3)


def test_a_part_drops_what_the_whole_does_even_if_a_model_also_drops_by_function() -> None:
    net, x = Both(), torch.ones(8, 99)
    use_fast_dropout(net)
    torch.manual_seed(5)
    whole = net(x)
    draws.seed(5)
    with draws.of_the_whole(8, 2, 5, torch.device("cpu")):
        part = net(x[2:5])
    assert torch.equal(part, whole[2:5]) and 0 < part.count_nonzero() < part.numel()
    assert not torch.equal(net(x[2:5]), part)


def test_what_is_compiled_draws_its_own_masks() -> None:
    with pytest.raises(ZooError, match=r"train should hold compile or fast_dropout alone, not "):
        parse({**SMALL, "train": {**SMALL["train"], "compile": True}})
