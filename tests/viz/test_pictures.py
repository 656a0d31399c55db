"""Attention, curves, the confusion matrix and the worst mistakes: what is drawn is what is so."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

import zoo
from zoo import ZooError, data, viz
from zoo.data import DataSet, Split, words
from zoo.data.own import places
from zoo.viz import _mistakes
from zoo.viz._figure import percent
from zoo.viz._verdicts import Verdicts, verdicts

REVIEW = "It costs $5 or $6_each: a wonderful, wonderful film. " * 8


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def test_attention_shows_every_word_in_order_on_a_ground_of_its_weight() -> None:
    figure = viz.attention("bilstm_attn.imdb_v1", REVIEW)
    answer = zoo.predictor("bilstm_attn.imdb_v1")(REVIEW)
    axes, bar = figure.axes
    assert texts(figure) == [word for word, _ in answer.attention]
    weights = [weight for _, weight in answer.attention]
    darkness = [-sum(to_rgb(patch.get_facecolor())) for patch in axes.patches]
    assert sorted(range(len(weights)), key=weights.__getitem__) == sorted(
        range(len(weights)), key=lambda i: (darkness[i], weights[i])
    )
    assert f"{answer.label} (" in figure.get_suptitle() and bar.get_xlabel() == "share of the attention in %"
    assert bar.get_xlim()[1] == pytest.approx(100 * max(weights))


def test_no_word_stands_on_another_or_beyond_the_edge() -> None:
    figure = viz.attention("bilstm_attn.imdb_v1", REVIEW + "x" * 300)
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    width, height = figure.canvas.get_width_height()
    assert all(box.x0 >= 0 and box.x1 <= width and box.y0 >= 0 and box.y1 <= height for box in boxes)
    for one, next_one in pairwise(boxes):
        assert next_one.x0 >= one.x1 or next_one.y1 <= one.y0


@pytest.mark.parametrize(
    ("max_length", "truncate", "shown"),
    [
        (4, "head", "one two three four …"),
        (6, "tail", "… four five six ½"),
        (7, "head_tail", "one two three four … ½"),
        (2, "head_tail", "one … ½"),
    ],
)
def test_a_gap_stands_where_words_were_left_out(
    max_length: int, truncate: str, shown: str, text_bundle: Path, tmp_path: Path
) -> None:
    bundle = shutil.copytree(text_bundle, tmp_path / text_bundle.name)
    config = json.loads((bundle / "config.json").read_text())
    config["input"] |= {"max_length": max_length, "truncate": truncate}
    (bundle / "config.json").write_text(json.dumps(config))
    text = "one two three four five six ½"  # ½ is three tokens
    figure = viz.attention(bundle, text)
    words = zoo.predictor(bundle)(text).attention
    read = shown.replace("…", "").split()
    assert [word for word, _ in words] == text.split() and [word for word, weight in words if weight] == read
    assert texts(figure) == shown.split()
    assert len(figure.axes[0].patches) == len(read), "a gap has no weight, so no ground"
    assert figure.get_suptitle().endswith("… stands for words that it did not read")


def test_no_gap_stands_where_no_word_was_left_out(text_bundle: Path) -> None:
    figure = viz.attention(text_bundle, "… ½ one")
    assert texts(figure) == ["…", "½", "one"] and "stands for" not in figure.get_suptitle()


def test_a_model_that_does_not_attend_says_so(text_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = zoo.models.rnn.bilstm_attn.forward  # type: ignore[attr-defined]
    monkeypatch.setattr(zoo.models.rnn.bilstm_attn, "forward", lambda self, *inputs: forward(self, *inputs))  # type: ignore[attr-defined]
    with pytest.raises(ZooError, match="does not attend; choose another --what"):
        viz.attention(text_bundle, "a good film")


@pytest.mark.parametrize("draw", [viz.attention, viz.forecast, viz.neighbours])
def test_every_function_refuses_a_task_that_has_no_such_picture(draw: Any) -> None:
    with pytest.raises(ZooError, match=r"is for image-classification, which has no .*; choose features"):
        draw("mlp.digits_v1", torch.zeros(8, 8))


@pytest.mark.parametrize("draw", [viz.features, viz.filters])
def test_a_text_has_no_features(draw: Any) -> None:
    with pytest.raises(ZooError, match="is for text-classification, which has no"):
        draw("bilstm_attn.imdb_v1", *(["A film."] if draw is viz.features else []))


def test_curves_are_those_of_the_log_beside_the_published_spread() -> None:
    figure = viz.curves("mlp.digits_v1")
    loss, accuracy = figure.axes
    assert loss.get_ylabel() == "loss" and accuracy.get_ylabel() == "accuracy in %" and loss.get_xlabel() == "epoch"
    folder = zoo.info("mlp.digits_v1").folder
    rows = Path(folder or "", "log.csv").read_text().splitlines()[1:]
    assert loss.lines[0].get_ydata().tolist() == [float(row.split(",")[3]) for row in rows]  # type: ignore[union-attr]
    published = zoo.info("mlp.digits_v1").figures["accuracy"]
    mean, std = 100 * published["mean"], 100 * published["std"]
    labels = [text.get_text() for text in accuracy.get_legend().get_texts()]  # type: ignore[union-attr]
    assert labels == ["training batches", f"test split: {mean:.2f} ± {std:.2f} % (5 seeds)"]
    low, high = accuracy.get_ylim()
    assert 80 < low < mean - std and high > 100, "the first epochs do not push the last ones together"


def test_curves_of_a_run_that_goes_on_or_has_not_begun(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("")
    with pytest.raises(ZooError, match="has no training curve yet"):
        viz.curves(tmp_path)
    (tmp_path / "log.csv").write_text(
        "epoch,step,lr,train_loss,train_mse,seconds,validation_mse\n1,9,0.1,0.5,0.7,1,0.9\n2,18,0.1,0.4,,2,0.8\n"
    )
    loss, mse = viz.curves(tmp_path).axes
    assert mse.get_ylabel() == "mse" and mse.lines[0].get_ydata().tolist() == [0.7]  # type: ignore[union-attr]
    assert mse.lines[1].get_ydata().tolist() == [0.9, 0.8] and loss.lines[0].get_ydata().tolist() == [0.5, 0.4]  # type: ignore[union-attr]


def test_verdicts_stand_beside_the_truth_of_their_own_sample() -> None:
    found = verdicts("mlp.digits_v1", "confusion")
    test = data.load("digits").test
    assert found.truth.tolist() == test.targets[found.places].tolist()
    answers = zoo.predictor("mlp.digits_v1")(test.inputs[found.places[:5]])
    assert found.probabilities[:5].max(1).values.tolist() == pytest.approx([a.probability for a in answers], abs=1e-6)
    right = (found.probabilities.argmax(1) == found.truth).float().mean().item()
    assert right == pytest.approx(zoo.evaluate("mlp.digits_v1")["accuracy"])


def test_the_confusion_matrix_counts_every_sample_and_colours_mistakes_alone() -> None:
    figure = viz.confusion("mlp.digits_v1")
    axes, bar = figure.axes
    found = verdicts("mlp.digits_v1", "confusion")
    counts = torch.zeros(10, 10)
    for truth, answer in zip(found.truth.tolist(), found.probabilities.argmax(1).tolist(), strict=True):
        counts[truth, answer] += 1
    written = {(t.get_position()[1], t.get_position()[0]): int(t.get_text()) for t in axes.texts}
    assert written == {tuple(place): int(counts[tuple(place)]) for place in counts.nonzero().tolist()}
    shares = torch.as_tensor(axes.images[0].get_array())
    torch.testing.assert_close(shares.double(), (100 * counts / counts.sum(1, True)).fill_diagonal_(0).double())
    assert figure.get_suptitle().endswith(f"{int(counts.diagonal().sum())} of 359 right")
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("answer", "truth") and "%" in bar.get_ylabel()


def test_the_worst_mistakes_are_those_that_gave_the_truth_least() -> None:
    figure = viz.mistakes("mlp.digits_v1")
    found = verdicts("mlp.digits_v1", "confusion")
    wrong = (found.probabilities.argmax(1) != found.truth).nonzero().squeeze(1).tolist()
    order = sorted(wrong, key=lambda row: found.probabilities[row, found.truth[row]].item())
    panels = [axes for axes in figure.axes if axes.images]
    assert len(panels) == len(order)
    for axes, row in zip(panels, order, strict=True):
        truth, answer = found.data.labels[found.truth[row]], found.data.labels[found.probabilities[row].argmax()]
        for_truth, for_answer = (
            percent(float(found.probabilities[row, label]))
            for label in (found.truth[row], found.probabilities[row].argmax())
        )
        want = f"{truth} ({for_truth}), read as {answer} ({for_answer})"
        assert axes.get_title().replace("\u00a0", " ").replace("\n", " ") == want
        image = found.data.test.inputs[found.places[row]]
        assert isinstance(image, torch.Tensor)
        torch.testing.assert_close(torch.as_tensor(axes.images[0].get_array()).float(), image[0] / 16)


@pytest.mark.parametrize("label", ["9", "Ankle boot", "Sandal", "T-shirt/top"])
def test_the_titles_of_mistaken_images_fit_their_panels(label: str) -> None:
    said = [(f"{label} (10.6 %),", f"read as {label} (44.4 %)")] * 20
    figure = _mistakes._images("title", said, torch.zeros(20, 1, 8, 8), 16)
    figure.canvas.draw()
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(box.x0 >= 0 and box.x1 <= 800 for box in boxes)
    assert all(not one.overlaps(other) for one, other in combinations(boxes, 2))
    lines = [line for axes in figure.axes for line in axes.get_title().splitlines()]
    assert not any(line.startswith("%") for line in lines) and max(map(len, lines)) <= _mistakes.PANEL


def test_mistaken_pictures_are_read_from_their_files(conv, tmp_path: Path) -> None:
    images = data.load("digits").test.inputs[:40]
    assert isinstance(images, torch.Tensor)
    for part, own in (("train", images[20:]), ("test", images[:20])):
        for place, image in enumerate(own):
            path = tmp_path / "digits" / part / str(place % 10) / f"{place}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image[0].numpy() * 16).save(path)
    bundle = conv(1, "imagefolder:digits")
    with places.at(tmp_path / "digits"):
        found, figure = verdicts(bundle, "mistakes"), viz.mistakes(bundle)
    wrong = (found.probabilities.argmax(1) != found.truth).nonzero().squeeze(1).tolist()
    first = min(wrong, key=lambda row: found.probabilities[row, found.truth[row]].item())
    path = found.data.test.inputs[found.places[first]]
    with Image.open(path) as picture:  # type: ignore[arg-type]
        want = torch.tensor(np.asarray(picture)) / 255
    torch.testing.assert_close(torch.as_tensor(figure.axes[0].images[0].get_array()).float(), want)


def made_up(inputs: list[str], targets: torch.Tensor, **more: Any) -> Verdicts:
    """Verdicts by which every row is taken for the other of two classes, with less and less of a doubt."""
    split = Split(inputs, targets)
    dataset = DataSet("made_up", "text", ["$bad", "good"], 1.0, split, split, "")
    places = (targets.flatten() >= 0).nonzero().squeeze(1)
    truth = targets.flatten()[places]
    sure = torch.linspace(0.6, 0.9, len(places))
    probabilities = torch.stack([1 - sure, sure], 1).gather(1, torch.stack([truth, 1 - truth], 1))
    return Verdicts("tiny.made_up_v1", {}, dataset, probabilities, truth, places)


def test_mistaken_texts_are_shown_with_both_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = ["short  one", "begin " + "word " * 200 + "end"]
    monkeypatch.setattr(_mistakes, "verdicts", lambda *_: made_up(inputs, torch.tensor([0, 1])))
    first, *lines, last = texts(viz.mistakes("tiny.made_up_v1"))
    assert first == "good (10.0 %), read as $bad (90.0 %)" and last == "short one"
    assert lines[0].startswith("begin word") and " … " in " ".join(lines) and lines[-2].endswith("end")
    assert lines[-1] == "$bad (40.0 %), read as good (60.0 %)"


def test_mistaken_words_are_shown_in_their_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    sentences = [words.SEPARATOR.join(["a", "$", "c"]), words.SEPARATOR.join(map(str, range(30)))]
    targets = torch.full((2, 30), -100)
    targets[0, 1], targets[1, 20] = 1, 0
    monkeypatch.setattr(_mistakes, "verdicts", lambda *_: made_up(sentences, targets))
    shown = texts(viz.mistakes("tiny.made_up_v1"))
    assert shown[1] == " ".join(map(str, range(11, 20))) + " [20] " + " ".join(map(str, range(21, 30)))
    assert shown[2:] == ["good (40.0 %), read as $bad (60.0 %)", "a [$] c"]


def test_a_weight_without_mistakes_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = made_up(["a"], torch.tensor([0]))
    right = replace(wrong, probabilities=wrong.probabilities.flip(1))
    monkeypatch.setattr(_mistakes, "verdicts", lambda *_: right)
    with pytest.raises(ZooError, match=r"^tiny makes no mistake on the test split of made_up"):
        viz.mistakes("tiny")
