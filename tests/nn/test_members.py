"""Members of a network of tables against networks of their own."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from zoo._create import create
from zoo.errors import ZooError
from zoo.nn import Members


def test_a_row_is_scaled_by_the_vector_of_its_member() -> None:
    torch.manual_seed(0)
    layer = Members(300, 4, spread=0.3)
    assert layer.weight.mean().item() == pytest.approx(1, abs=0.05)
    assert layer.weight.std().item() == pytest.approx(0.3, rel=0.1)
    assert Members(3, 4, spread=0.0).weight.eq(1).all()
    x, member = torch.randn(5, 4), torch.tensor([2, 0, 1, 1, 0])
    torch.testing.assert_close(layer(x, member), torch.stack([x[i] * layer.weight[m] for i, m in enumerate(member)]))


def rows(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(n)
    return torch.randn(n, 8, generator=draw), torch.randint(1, 6, (n, 1), generator=draw)


def test_the_answer_is_the_mean_of_the_members_and_training_reads_a_row_with_one() -> None:
    torch.manual_seed(0)
    model: Any = create("housing_mlp", members=4, bins=8).eval()
    for layer in model.members:
        torch.nn.init.normal_(layer.weight)
    inputs = rows(6)
    x = model.encode(*inputs)
    alone = [model.head(model.read(x, torch.full((6,), member))) for member in range(4)]
    torch.testing.assert_close(model(*inputs), torch.stack(alone).mean(0), rtol=1e-4, atol=1e-5)
    model.train()
    for layer in model.modules():
        if isinstance(layer, torch.nn.BatchNorm1d):
            layer.eval()
    outputs = model(*inputs)
    near = [[torch.allclose(outputs[i], one[i], atol=1e-4) for one in alone] for i in range(6)]
    assert all(any(row) for row in near) and len({row.index(True) for row in near}) > 1


def test_one_member_is_the_plain_network_and_none_is_refused() -> None:
    torch.manual_seed(0)
    plain = create("housing_mlp").state_dict()
    torch.manual_seed(0)
    one = create("housing_mlp", members=1, bins=0).state_dict()
    assert list(plain) == list(one) and all(torch.equal(plain[key], one[key]) for key in plain)
    with pytest.raises(ZooError, match="members"):
        create("churn_mlp", members=0)
