"""timm's models as guests: made, loaded through the real client from a small Hub on loopback, trained from."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from hub_server import HubServer, Repository
from PIL import Image
from safetensors.torch import load_file, save

import zoo
from zoo import ZooError
from zoo.cli import main

NAME = "timm/test_resnet"
REPO = "timm/test_resnet.r160_in1k"


def pictures() -> torch.Tensor:
    return torch.rand(2, 3, 160, 160, generator=torch.Generator().manual_seed(1))


def test_a_fresh_guest_is_timms_own_and_a_seed_fixes_it():
    torch.manual_seed(3)
    guest = zoo.create(NAME, num_classes=7)
    torch.manual_seed(3)
    own = timm.create_model("test_resnet", num_classes=7)
    assert guest.training and guest.zoo.name == NAME and guest.zoo.weight is None  # type: ignore
    assert all(torch.equal(a, b) for a, b in zip(guest.state_dict().values(), own.state_dict().values(), strict=True))


def test_a_pretrained_guest_answers_as_timms_and_brings_its_transform(guests: HubServer):
    state = torch.get_rng_state()
    guest = zoo.create(NAME, pretrained=True)
    assert torch.equal(torch.get_rng_state(), state) and not guest.training
    torch.manual_seed(0)
    own = timm.create_model("test_resnet").eval()
    with torch.no_grad():
        assert torch.equal(guest(pictures()), own(pictures()))
    assert guest.zoo.input == {  # type: ignore
        "kind": "image",
        "channels": 3,
        "size": [160, 160],
        "maximum": 255.0,
        "mean": [0.5, 0.5, 0.5],
        "std": [0.5, 0.5, 0.5],
    }
    asked = len(guests.asked)
    zoo.create(NAME, pretrained=True)
    assert not [line for line in guests.asked[asked:] if line.startswith("GET /timm/")], "it is fetched once"


def test_another_number_of_classes_replaces_the_classifier_with_one_warning(guests: HubServer):
    with pytest.warns(UserWarning, match="is a fresh one for 5 classes; train it") as warned:
        guest = zoo.create(NAME, pretrained=True, num_classes=5)
    assert len(warned) == 1 and guest(pictures()).shape == (2, 5)


def test_bytes_that_are_not_the_hubs_are_not_used(guests: HubServer, tmp_path: Path):
    zoo.create(NAME, pretrained=True)
    (blob,) = (path for path in (tmp_path / "hub").rglob("blobs/*") if path.is_file())
    content = bytearray(blob.read_bytes())
    content[-1] ^= 1
    blob.write_bytes(content)
    with pytest.raises(ZooError, match="SHA-256"):
        zoo.create(NAME, pretrained=True)


def test_what_there_is_not(guests: HubServer, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ZooError, match=r"unknown model of timm 'timm/test_resnett'; did you mean timm/test_resnet"):
        zoo.create("timm/test_resnett")
    guests.repositories.clear()
    with pytest.raises(
        ZooError, match=rf"^model\.safetensors of {REPO}: there is no such repository, or it is private; "
    ):
        zoo.create(NAME, pretrained=True)
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    asked = len(guests.asked)
    with pytest.raises(ZooError, match=rf"^model\.safetensors of {REPO}: ZOO_OFFLINE forbids the network"):
        zoo.create(NAME, pretrained=True)
    assert len(guests.asked) == asked


def test_without_a_network_the_error_is_there_at_once(guests: HubServer, monkeypatch, closed_port: int, capfd):
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits and tries again"))
    endpoint = guests.url
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(ZooError, match=rf"^model\.safetensors of {REPO}.*check the network"):
        zoo.create(NAME, pretrained=True)
    assert capfd.readouterr().err == ""
    monkeypatch.setenv("HF_ENDPOINT", endpoint)
    zoo.create(NAME, pretrained=True)
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    assert not zoo.create(NAME, pretrained=True).training  # from the client's cache


def test_guests_are_listed_apart():
    assert NAME in zoo.list_models("timm/test_*") and f"{NAME}.r160_in1k" in zoo.list_models("timm/test_*")
    assert not [name for name in zoo.list_models() if name.startswith("timm/")]
    info = zoo.info(NAME)
    assert info.task == "image-classification" and info.input_shape == (3, 160, 160) and info.num_parameters > 1e5


RECIPE: dict[str, Any] = {
    "model": "mlp",
    "model_args": {"widths": [16]},
    "init": "default",
    "data": {"name": "digits", "batch_size": 64},
    "optimizer": {"name": "sgd", "lr": 1e-9},
    "train": {"steps": 1},
}


def test_a_run_begins_from_a_bundle_with_its_head_if_the_labels_are_the_same(tmp_path: Path):
    first = zoo.train(
        {**RECIPE, "optimizer": {"name": "adamw", "lr": 0.01}, "train": {"epochs": 3}}, out=tmp_path / "a"
    )
    second = zoo.train({**RECIPE, "init_from": str(first.folder)}, out=tmp_path / "b")
    assert second.metrics["accuracy"] == pytest.approx(first.metrics["accuracy"], abs=0.01)
    said = json.loads((second.folder / "metrics.json").read_text())["init_from"]
    assert said["name"] == str(first.folder) and len(said["sha256"]) == 64


def test_a_run_begins_from_a_weight_named_on_the_command_line(tmp_path: Path):
    first = zoo.train(
        {**RECIPE, "optimizer": {"name": "adamw", "lr": 0.01}, "train": {"epochs": 3}}, out=tmp_path / "a"
    )
    still = ["train.epochs=1", "optimizer.lr=1e-12", "model_args.widths=[16]", f"init_from={first.folder}"]
    assert main(["train", "mlp.digits", *still, "--out", str(tmp_path / "b"), "--device", "cpu"]) == 0
    assert zoo.evaluate(tmp_path / "b") == pytest.approx(zoo.evaluate(first.folder), abs=0.01)


def test_a_file_gives_all_but_the_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first = zoo.train({**RECIPE, "optimizer": {"name": "adamw", "lr": 0.01}}, out=tmp_path / "a")
    file = first.folder / "model.safetensors"
    monkeypatch.setenv("HOME", str(tmp_path))
    begin = "~/a/model.safetensors"
    second = zoo.train({**RECIPE, "init_from": begin, "train": {"steps": 1, "seed": 5}}, out=tmp_path / "b")
    ours, theirs = load_file(file), load_file(second.folder / "model.safetensors")
    assert torch.allclose(ours["body.0.weight"], theirs["body.0.weight"], atol=1e-6)
    assert not torch.allclose(ours["head.weight"], theirs["head.weight"], atol=1e-3), (
        "a head of unknown labels is fresh"
    )


def test_a_run_does_not_begin_from_a_part_of_another_model(tmp_path: Path):
    deep = zoo.train({**RECIPE, "model_args": {"widths": [16, 16]}}, out=tmp_path / "deep")
    with pytest.raises(ZooError, match=r"holds 2 tensors .* has no place for \(body\.2\.bias, body\.2\.weight"):
        zoo.train({**RECIPE, "init_from": str(deep.folder)}, out=tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mlp.digits_v9", r"unknown weight"),
        ("nowhere.safetensors", r"init_from: there is no file nowhere\.safetensors; check the path\.$"),
        ("t.pth", r"^init_from: t\.pth is not a \.safetensors file, the only format that is read; convert it\.$"),
        ("./t.pth", r"^init_from: \./t\.pth is not a \.safetensors file, the only format that is read; convert it\.$"),
        ("./u.pth", r"^there is no"),
        ("timm/nonesuch", r"^unknown model of timm 'timm/nonesuch'; did you mean timm/"),
        (
            "timm/test_resnet.nonesuch",
            r"^unknown model of timm 'timm/test_resnet\.nonesuch'; did you mean timm/test_res",
        ),
        (NAME, r"init_from: timm/test_resnet lacks 2 of the model's tensors.*\(body\.0\.weight, body\.0\.bias\)"),
    ],
)
def test_what_a_run_cannot_begin_from(
    guests: HubServer, name: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("t.pth").write_bytes(b"what torch.save writes")
    with pytest.raises(ZooError, match=said):
        zoo.train({**RECIPE, "init_from": name}, out=tmp_path / "run")
    assert not (tmp_path / "run").exists(), "the folder is given back"


def test_a_guest_is_fine_tuned_from_its_own_weight(guests: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """On pictures of the guest's channels; the run's folder is used like a weight."""
    from zoo import data
    from zoo.data import Split, fingerprint
    from zoo.data.entry import Entry

    train, test = (Split(torch.randint(256, (8, 3, 32, 32), dtype=torch.uint8), torch.arange(8) % 2) for _ in range(2))
    found = fingerprint.of(train, test)
    entry = Entry("dots", "image", ["a", "b"], 255.0, None, lambda folder: (train, test), found)
    monkeypatch.setitem(data.ENTRIES, "dots", entry)
    recipe = {**RECIPE, "model": NAME, "model_args": {}, "init": "constructor", "init_from": NAME}
    run = zoo.train({**recipe, "data": {"name": "dots", "batch_size": 4}}, out=tmp_path / "run")
    model = zoo.create(run.folder)
    assert model.zoo.name == NAME and model(torch.rand(1, 3, 32, 32)).shape == (1, 2)  # type: ignore


PARTS = ("train", "test")


def test_a_data_set_of_the_hub_is_named_in_a_recipe(guests: HubServer, tmp_path: Path):
    def picture(brightness: int) -> bytes:
        content = io.BytesIO()
        Image.new("RGB", (8, 8), (brightness,) * 3).save(content, "png")
        return content.getvalue()

    files = {
        f"{part}/{label}/{number}.png": picture(brightness + number + shift)
        for part, shift in (("train", 0), ("test", 10))  # the same bytes in both are refused
        for label, brightness in (("bright", 200), ("dark", 30))
        for number in range(8)
    }
    guests.repositories["someone/pictures"] = Repository()
    guests.repositories["someone/pictures"].commit("pictures", files)
    model = {"model_args": {"in_features": 192, "widths": []}, "optimizer": {"name": "adamw", "lr": 0.01}}
    where = {"name": "hf:someone/pictures", "size": [8, 8], "batch_size": 4, "mean": [0.5], "std": [0.25]}
    run = zoo.train({**RECIPE, **model, "data": where, "train": {"epochs": 10}}, out=tmp_path / "run", device="cpu")
    assert run.metrics["accuracy"] == 1.0
    assert json.loads((run.folder / "config.json").read_text())["labels"] == ["bright", "dark"]


def test_texts_and_tables_of_the_hub_are_data_too(guests: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("ZOO_HOME", str(tmp_path / "home"))
    import pyarrow as pa
    from pyarrow import parquet

    packed = io.BytesIO()
    parquet.write_table(pa.table({"n": [i % 9 for i in range(80)], "price": [10.0 + i % 9 for i in range(80)]}), packed)
    reviews = "text,label\n" + "".join(f"a {'fine' if i % 2 else 'dull'} film {i},{i % 2}\n" for i in range(60))
    card = "---\nlicense: mit\n---\n# A data set\n"
    for name, files in (
        ("reviews", {"README.md": card, "data.csv": reviews}),
        ("prices", {"README.md": card, **{f"data/{p}-00000-of-00001.parquet": packed.getvalue() for p in PARTS}}),
    ):
        guests.repositories[f"someone/{name}"] = Repository()
        written = {path: text.encode() if isinstance(text, str) else text for path, text in files.items()}
        guests.repositories[f"someone/{name}"].commit("data", written)
    quick = {"train.epochs": 1, "init_from": None, "data.text.vocab_size": 40}
    run = zoo.train("rnn_text", quick, data="hf:someone/reviews", out=tmp_path / "a", device="cpu", baseline=False)
    commit = guests.repositories["someone/reviews"].commits[-1][0]
    assert run.recipe.data.name == f"hf:someone/reviews@{commit}" and list(run.recipe.data.files or {}) == ["data.csv"]
    asked = {"train.epochs": 1, "data.columns.target": "price", "data.columns.numbers": ["n"]}
    run = zoo.train("housing_mlp", asked, data="hf:someone/prices", out=tmp_path / "b", device="cpu", baseline=False)
    assert len(run.recipe.data.files or {}) == 2 and run.recipe.data.split is None
    again = zoo.train(run.folder, out=tmp_path / "c", device="cpu")  # by the commit, from the Hub's cache
    assert again.metrics == run.metrics


def test_a_data_set_that_the_hub_does_not_give(guests: HubServer, closed_port: int, monkeypatch: pytest.MonkeyPatch):
    from zoo import data

    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail("it waits and tries again"))
    with pytest.raises(ZooError, match=r"^data\.name hf:someone/pictures.*check the name"):
        data.load("hf:someone/pictures")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{closed_port}")
    with pytest.raises(ZooError, match=r"^data\.name hf:someone/pictures.*check the network"):
        data.load("hf:someone/pictures")
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    with pytest.raises(ZooError, match=r"^data\.name hf:someone/pictures: ZOO_OFFLINE forbids the network"):
        data.load("hf:someone/pictures")


def test_a_guest_takes_timms_arguments(guests: HubServer):
    fresh = zoo.create("timm/test_vit", img_size=96, num_classes=3)
    assert fresh(torch.rand(1, 3, 96, 96)).shape == (1, 3)
    features = zoo.create(NAME, pretrained=True, features_only=True, out_indices=(1, 3), in_chans=1)
    assert [part.shape[1] for part in features(torch.rand(1, 1, 64, 64))] == [32, 192]
    assert features.zoo.input["channels"] == 1 and features.zoo.input["mean"] == [0.5]
    with pytest.raises(ZooError, match=r"model_args: timm/test_resnet cannot be built with .*img_sise.*img_sise"):
        zoo.create(NAME, img_sise=96)
    with pytest.raises(ZooError, match=r"the weight of timm/test_resnet does not fit the model with .*img_sise"):
        zoo.create(NAME, pretrained=True, img_sise=96)


def test_a_pretrained_guest_of_another_size_is_timms_own(guests: HubServer):
    torch.manual_seed(0)
    repo = zoo.create("timm/test_vit")
    guests.repositories["timm/test_vit.r160_in1k"] = Repository()
    guests.repositories["timm/test_vit.r160_in1k"].commit("weights", {"model.safetensors": save(repo.state_dict())})
    guest = zoo.create("timm/test_vit", pretrained=True, img_size=96)
    assert guest.zoo.input["size"] == [96, 96] and guest(torch.rand(1, 3, 96, 96)).shape == (1, 1000)


@pytest.fixture
def dots(monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set of 48 pictures of 32 x 32 pixels, dark and light."""
    from zoo import data
    from zoo.data import Split, fingerprint
    from zoo.data.entry import Entry

    def part(count: int, seed: int) -> Split:
        targets = torch.arange(count) % 2
        noise = torch.randint(80, (count, 3, 32, 32), generator=torch.Generator().manual_seed(seed))
        return Split((noise + 150 * targets.view(-1, 1, 1, 1)).to(torch.uint8), targets)

    train, test = part(32, 0), part(16, 1)
    found = fingerprint.of(train, test)
    entry = Entry("dots", "image", ["dark", "light"], 255.0, None, lambda folder: (train, test), found)
    monkeypatch.setitem(data.ENTRIES, "dots", entry)
    return "dots"


def test_a_guest_that_is_trained_here_is_published_used_and_grown_again(
    guests: HubServer, dots: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = {**RECIPE, "model": NAME, "model_args": {"drop_rate": 0.1}, "init": "constructor", "init_from": NAME}
    recipe |= {"data": {"name": dots, "batch_size": 8}, "optimizer": {"name": "adamw", "lr": 0.01}}
    run = zoo.train(recipe | {"train": {"epochs": 4}}, out=tmp_path / "run", device="cpu", progress=False)
    shelf = tmp_path / "shelf"
    weight = "timm-test_resnet.dots_v1"
    assert zoo.publish(run, shelf) == weight
    assert zoo.publish(run, shelf, name="timm/test_resnet.dots_v1") == weight, "the same, said with timm's slash"
    with pytest.raises(ZooError, match=r"give a name of the form timm-test_resnet\.<tag>_v<N>\.$"):
        zoo.publish(run, shelf, name="test_resnet.dots_v1")

    monkeypatch.setenv("ZOO_SOURCES", str(shelf))
    picture = torch.full((1, 3, 32, 32), 230, dtype=torch.uint8)
    for name in (weight, "timm/test_resnet.dots_v1", shelf / weight):
        model = zoo.create(name)
        assert model.zoo.name == NAME and model.zoo.labels == ("dark", "light") and not model.training
        assert zoo.predictor(name)(picture)[0].label == "light"
    assert zoo.create(NAME, weights="dots_v1").zoo.weight == weight
    assert zoo.info(NAME).weights == [weight] and zoo.info(weight).weight == weight
    assert zoo.embed(weight, picture).shape == (1, model.num_features)  # type: ignore
    with pytest.warns(UserWarning, match="was replaced by a fresh one for 5"):
        assert zoo.create(weight, num_classes=5)(torch.rand(2, 3, 32, 32)).shape == (2, 5)
    found = zoo.verify(weight)
    assert found.ok and found.checks["plug_ins"] and found.checks["metrics"], found.message
    (brought,) = json.loads((shelf / weight / "config.json").read_text())["plug_ins"]
    assert (brought["name"], brought["package"], brought["version"]) == (NAME, "timm", timm.__version__)
    report = zoo.reproduce(weight, device="cpu")
    assert report.verdict == "reproduced" and report.identical, report.message
