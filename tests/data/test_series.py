"""Series from CSV text, and the scale that models see them on."""

from __future__ import annotations

import pytest
import torch

from zoo import ZooError
from zoo.data.series import parse, restore, standardise

TEXT = "date,a,b, c\n2016-07-01 00:00:00,1,2.5,3\n\n2016-07-01 01:00:00,-4,5e1,6\n"


def test_the_named_columns_are_read_in_the_order_asked_for():
    assert parse(TEXT, ["c", "a"], "x.csv").tolist() == [[3.0, 1.0], [6.0, -4.0]]
    assert parse("\n".join(TEXT.splitlines()[:1]), ["a", "b"], "x.csv").shape == (0, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TEXT, "x.csv has no column d, but date, a, b, c; name a, d in its first line."),
        ("", "x.csv has no column a, d, but nothing; name a, d in its first line."),
        ("a,d\n1,2\n3,much\n", "line 3 of x.csv lacks a number for each of a, d."),
        ("a,d\n1\n", "line 2 of x.csv lacks a number for each of a, d."),
    ],
)
def test_an_input_that_is_not_a_series_is_refused(text: str, said: str):
    with pytest.raises(ZooError) as raised:
        parse(text, ["a", "d"], "x.csv")
    assert str(raised.value) == said


def test_standardised_rows_have_mean_0_and_deviation_1_and_come_back():
    rows = torch.randn(500, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 50.0, 0.1]) + 7
    input = {"mean": rows.mean(0).tolist(), "std": rows.std(0, correction=0).tolist()}
    scaled = standardise(rows, input)
    torch.testing.assert_close(scaled.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(scaled.std(0, correction=0), torch.ones(3))
    torch.testing.assert_close(restore(scaled, input), rows)
