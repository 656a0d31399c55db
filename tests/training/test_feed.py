"""Batches: who is seen when, in training and in evaluation."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import torch

from zoo import ZooError, data
from zoo.data import DataSet, Split
from zoo.data.text import train_tokenizer
from zoo.kinds import Input, image, text
from zoo.kinds.feed import mix
from zoo.kinds.transforms import normalize
from zoo.recipes import Recipe, parse
from zoo.training.setup import prepare

CPU = torch.device("cpu")


def recipe(**more: Any) -> Recipe:
    content: dict[str, Any] = {
        "model": "mlp",
        "init": "default",
        "data": {"name": "digits", "batch_size": 8, **more.pop("data", {})},
        "optimizer": {"name": "adamw", "lr": 0.01},
        "train": {"epochs": 1, **more.pop("train", {})},
    }
    return parse({**content, **more})


INPUT = Input({"kind": "image", "channels": 1, "maximum": 255, "mean": [0.0], "std": [1.0]}, classes=10)


def numbered(count: int) -> Split:
    """Images of two pixels that hold their own number."""
    numbers = torch.arange(count)
    inputs = torch.stack([numbers // 256, numbers % 256], dim=1).to(torch.uint8).view(count, 1, 1, 2)
    return Split(inputs, numbers % 10)


def numbers(images: torch.Tensor) -> list[int]:
    pixels = (images * 255).round().to(torch.int64).flatten(1)
    return (pixels[:, 0] * 256 + pixels[:, 1]).tolist()


@pytest.mark.parametrize("count", [300, 304, 8])
def test_every_image_once_an_epoch_up_to_the_dropped_last_batch(count: int):
    feed = image.training(recipe(), numbered(count), INPUT, CPU)
    generator = torch.Generator()
    assert feed.size == count // 8
    orders = []
    for epoch in range(3):
        seen = []
        for indices in feed.plan(epoch):
            (images,), targets = feed.load(indices, generator, 0.0)
            assert images.shape == (8, 1, 1, 2) and targets.tolist() == [n % 10 for n in numbers(images)]
            seen += numbers(images)
        assert len(seen) == len(set(seen)) == count // 8 * 8 and set(seen) <= set(range(count))
        orders.append(seen)
    if count > 8:
        assert orders[0] != orders[1] != orders[2], "each epoch has an order of its own"
    dropped = {n for epoch in range(40) for n in range(300) if n not in torch.cat(feed.plan(epoch))}
    assert count != 300 or len(dropped) > 60, "what is dropped changes from epoch to epoch"


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        torch.manual_seed(int(torch.randint(1000, ())))  # nothing global may matter
        return torch.cat(image.training(recipe(train={"seed": seed}), numbered(80), INPUT, CPU).plan(epoch)).tolist()

    assert order(0, 5) == order(0, 5)
    assert order(0, 5) != order(1, 5) and order(0, 5) != order(0, 6)


def test_augmentation_is_a_function_of_the_generator_alone():
    split = data.load("digits").train
    feed = image.training(recipe(data={"augment": {"affine": {"degrees": 30.0}}}), split, INPUT, CPU)
    batch = feed.plan(0)[0]
    first, again, other = (feed.load(batch, torch.Generator().manual_seed(seed), 0.0)[0][0] for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)


@pytest.mark.parametrize("train", [{"epochs": 4}, {"epochs": None, "steps": 40}])
def test_alternating_flips_mirror_each_image_in_every_other_epoch(train: dict[str, Any]):
    wanted = recipe(data={"augment": {"flip": {"alternate": True}}}, train=train)
    feed = image.training(wanted, numbered(80), INPUT, CPU)
    epochs = []
    for epoch in range(4):
        shown = {}
        for place, indices in enumerate(feed.plan(epoch)):
            (images,), _ = feed.load(indices, torch.Generator(), (10 * epoch + place) / 40)
            shown |= {i: pixels for i, pixels in zip(indices.tolist(), images.flatten(1).tolist(), strict=True)}
        epochs.append([shown[i] for i in range(80)])
    assert epochs[0] == epochs[2] and epochs[1] == epochs[3] == [pixels[::-1] for pixels in epochs[0]]
    assert 20 < sum(round(pixels[1] * 255) == i for i, pixels in enumerate(epochs[0])) < 60


def test_an_epoch_takes_at_most_so_many_texts_of_a_group():
    groups = torch.tensor([7, 7, 7, 7, 7, 7, 3, 3, 9, 5])
    epochs = [text.few_of_each(groups, 2, seed).tolist() for seed in range(200)]
    for chosen in epochs:
        assert chosen == sorted(set(chosen)) and Counter(groups[chosen].tolist()) == {7: 2, 3: 2, 9: 1, 5: 1}
    counts = Counter(i for chosen in epochs for i in chosen)
    assert all(40 < counts[i] < 95 for i in range(6)), "each of the six in a third of the epochs"


@pytest.mark.usefixtures("tiny_reviews")
def test_a_run_with_few_texts_of_a_group_and_data_without_groups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    content = {**recipe().model_dump(), "model": "rnn_text", "data": {"name": "tiny_reviews", "batch_size": 4}}
    content["data"]["text"] = {"per_group": 1}
    with pytest.raises(ZooError, match=r"^data\.text\.per_group: the texts of tiny_reviews are in no groups"):
        prepare(parse(content), tmp_path)
    plain, few = parse({**content, "data": {"name": "tiny_reviews", "batch_size": 4}}), parse(content)
    setup = prepare(plain, tmp_path)
    groups = torch.arange(len(setup.train)) // 3
    grouped = Split(setup.train.inputs, setup.train.targets, groups)
    feed = text.training(few, grouped, setup.input, CPU)
    seen = torch.cat(feed.plan(0))
    assert feed.size == len(feed.plan(1)) and sorted(groups[seen].tolist()) == sorted(set(groups.tolist()))
    assert not torch.equal(seen, torch.cat(feed.plan(1)))


def test_mix_parts_all_places():
    places = {mix(seed, kind, step) for seed in range(8) for kind in range(3) for step in range(200)}
    assert len(places) == 8 * 3 * 200 and all(0 <= place < 2**63 for place in places)
    assert mix(0, 1, 2) == mix(0, 1, 2) != mix(0, 2, 1)


def test_a_batch_larger_than_the_data_is_refused():
    with pytest.raises(ZooError) as raised:
        image.training(recipe(), numbered(7), INPUT, CPU)
    assert str(raised.value) == "data.batch_size is 8, but there are 7 training samples; lower it."


@pytest.mark.parametrize("size", [1, 7, 100, 1000])
def test_evaluation_sees_every_image_exactly_once(size: int):
    split = numbered(100)
    batches = list(image.evaluation(split, INPUT, size, CPU))
    assert [n for (images,), _ in batches for n in numbers(images)] == list(range(100))
    assert torch.equal(torch.cat([targets for _, targets in batches]), split.targets)


@pytest.fixture(scope="module")
def texts() -> tuple[Split, Input]:
    """Texts of many lengths, each with a word of its own; what reads them."""
    inputs = [f"word{n} " + "and so on " * (n % 7) for n in range(50)]
    settings = {"kind": "text", "max_length": 9, "truncate": "head"}
    return Split(inputs, torch.arange(50) % 2), Input(settings, train_tokenizer(inputs), 2)


def words(tokens: torch.Tensor, input: Input) -> list[str]:
    vocabulary = {index: word for word, index in input.tokenizer.get_vocab().items()}
    return [vocabulary[row[0]] for row in tokens.tolist()]


def test_every_text_once_an_epoch(texts):
    split, input = texts
    feed = text.training(recipe(), split, input, CPU)
    orders = []
    for epoch in range(2):
        seen: list[str] = []
        plan = feed.plan(epoch)
        assert len(plan) == feed.size == 7
        for indices in plan:
            (tokens, lengths), targets = feed.load(indices, torch.Generator(), 0.0)
            assert tokens.shape == (len(indices), int(lengths.max())) and lengths.max() <= 9
            assert all(
                (row[int(n) :] == 0).all() and (row[: int(n)] > 0).all() for row, n in zip(tokens, lengths, strict=True)
            )
            found = words(tokens, input)
            assert targets.tolist() == [int(word[4:]) % 2 for word in found]
            seen += found
        assert Counter(seen) == Counter(f"word{n}" for n in range(50))
        orders.append(seen)
    assert orders[0] != orders[1]


def test_evaluation_sees_every_text_exactly_once_with_its_target(texts):
    split, input = texts
    seen = Counter()
    for (tokens, _), targets in text.evaluation(split, input, 8, CPU):
        seen.update(zip(words(tokens, input), targets.tolist(), strict=True))
    assert seen == Counter((f"word{n}", n % 2) for n in range(50))


def rows(split: Split) -> set[bytes]:
    assert isinstance(split.inputs, torch.Tensor)
    return {row.numpy().tobytes() for row in split.inputs}


def test_held_out_samples_and_the_test_split_stay_out_of_training(tmp_path: Path):
    whole = data.load("digits")
    setup = prepare(recipe(data={"validation": 0.25}), tmp_path)
    assert setup.held_name == "validation"
    assert len(setup.train) + len(setup.held) == len(whole.train)
    assert not rows(setup.train) & rows(setup.held)
    for part in (setup.train, setup.held):
        assert rows(part) <= rows(whole.train) and not rows(part) & rows(whole.test)
    # Seeds are compared on the same samples.
    again = prepare(recipe(data={"validation": 0.25}, train={"seed": 5}), tmp_path)
    assert isinstance(setup.held.inputs, torch.Tensor) and isinstance(again.held.inputs, torch.Tensor)
    assert torch.equal(setup.held.inputs, again.held.inputs)


def test_without_validation_the_test_split_is_measured_and_all_the_rest_trained_on(tmp_path: Path):
    whole, setup = data.load("digits"), prepare(recipe(), tmp_path)
    assert setup.held_name == "test" and setup.held is not setup.train
    assert rows(setup.held) == rows(whole.test) and rows(setup.train) == rows(whole.train)


def test_settings_that_the_data_refuse():
    digits = data.load("digits")
    with pytest.raises(ZooError, match=r"^data\.mean has 3 values; give one, or one for each channel \(1\)\.$"):
        image.KIND.check(recipe(data={"mean": [0.1, 0.2, 0.3]}), digits)
    texts = DataSet(
        "reviews", "text", ["bad", "good"], 1.0, Split(["a"], torch.zeros(1)), Split(["b"], torch.zeros(1)), ""
    )
    with pytest.raises(ZooError, match=r"^data\.augment is for images, but reviews holds text data; remove it\.$"):
        text.KIND.check(recipe(data={"augment": {"flip": {}}}), texts)
    text.KIND.check(recipe(), texts)


@pytest.mark.parametrize(
    ("augment", "said"),
    [
        ({"cutout": {"size": 9}}, "cutout.size is 9, but images are 8 x 8 pixels; give 8 or less."),
        ({"crop": {"padding": 8}}, "crop.padding is 8, but images are 8 x 8 pixels; give 7 or less."),
        (
            {"crop": {"padding": 100, "mode": "reflect"}},
            "crop.padding is 100, but images are 8 x 8 pixels; give 7 or less.",
        ),
        ({"progressive": {"size": 8}}, "progressive.size is 8, but images are 8 x 8 pixels; give 7 or less."),
        ({"progressive": {"size": 100}}, "progressive.size is 100, but images are 8 x 8 pixels; give 7 or less."),
        (
            {"progressive": {"size": 4}, "cutout": {"size": 5}},
            "cutout.size is 5, but images are 8 x 8 pixels, at first 4 x 4; give 4 or less.",
        ),
        ({"cutout": {"size": 8}, "crop": {"padding": 7, "mode": "reflect"}}, None),
        ({"progressive": {"size": 7}, "cutout": {"size": 7}}, None),
    ],
)
def test_augmentations_larger_than_the_images(augment: dict[str, Any], said: str | None):
    digits, asked = data.load("digits"), recipe(data={"augment": augment})
    if said is None:
        return image.KIND.check(asked, digits)
    with pytest.raises(ZooError, match=rf"^data\.augment\.{re.escape(said)}$"):
        image.KIND.check(asked, digits)


@pytest.mark.parametrize("size", [(5, 7), (28, 28)])
@pytest.mark.parametrize(("mean", "std"), [([0.4, 0.5, 0.6], [0.2, 0.3, 0.1]), ([0.4], [0.2])])
def test_normalize_against_the_formula(size: tuple[int, int], mean: list[float], std: list[float]):
    images = torch.randint(256, (4, 3, *size), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    found = normalize(images, {"maximum": 255.0, "mean": mean, "std": std})
    for channel in range(3):
        slow = (images[:, channel] / 255 - mean[channel % len(mean)]) / std[channel % len(std)]
        assert torch.allclose(found[:, channel], slow, atol=1e-6)
    assert found.dtype is torch.float32
