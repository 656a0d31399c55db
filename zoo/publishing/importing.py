"""A state dict from elsewhere -> a bundle. Its card says that the zoo did not grow it."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from zoo import registry, tasks
from zoo.bundles import shards
from zoo.bundles.write import write_bundle
from zoo.construct import skeleton
from zoo.errors import ZooError, some
from zoo.integrity import sha256
from zoo.names import is_weight_name, model_of, stem_of
from zoo.publishing.card import card
from zoo.publishing.for_timm import for_timm

_PREFIXES = ("module.", "_orig_mod.")  # of DataParallel, of torch.compile
_IMAGENET = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}  # torchvision's
_SECONDS = 900


def import_weight(
    file: str | os.PathLike[str],
    model: str,
    *,
    to: str | os.PathLike[str],
    maps: Iterable[str] = (),
    like: str | None = None,
    model_args: Mapping[str, Any] | None = None,
) -> tuple[Path, dict[str, str]]:
    """Make a bundle of the tensors in `file`; returns its folder, and which names became which.

    Args:
        file: a `.safetensors`, a Hub's `….safetensors.index.json` beside the files it names, or what `torch.save` wrote
            (read by torch's weights-only unpickler, in a process of its own).
        model: the registered model that the tensors are for.
        to: the bundle's folder; if its name has the form of a weight's (`mlp.mine_v1`), the weight gets that name.
        maps: `FROM=TO`, each: names that are FROM, or begin with it, get TO in its place. The prefixes `module.` and
            `_orig_mod.` are removed without it, and torchvision's names of a resnet18 are known.
        like: a weight of the same model; the bundle takes its labels, input transform and tokenizer. Without it the
            labels are numbers and images are scaled to [0, 1], which is right only by luck.
        model_args: for the constructor, such as num_classes; by default taken from the head's tensors.

    Raises `ZooError` if the file is not what it should be, and if the tensors do not fit the model (it lists a few).
    """
    path, folder, entry = Path(os.path.expanduser(file)), Path(os.path.expanduser(to)), registry.get(model)
    named = is_weight_name(folder.name) and model_of(folder.name) == stem_of(model)
    tensors = _read(path)
    renamed, is_torchvision = _rename(list(tensors), model, _rules(maps))
    if doubled := [ours for ours in renamed.values() if list(renamed.values()).count(ours) > 1]:
        raise ZooError(f"two tensors of {path} get the name {doubled[0]}; change --map.")
    state = {renamed[key]: tensor for key, tensor in tensors.items()}
    config, tokenizer = _config(entry, state, like, dict(model_args or {}), is_torchvision)
    _check_fit(path, model, config["model_args"], state)
    note = (
        f"Imported from {path.name} (SHA-256 {sha256(path)}). It has no recipe: it was not grown here, cannot be grown "
        "again from this bundle, and nothing of it was measured."
    )
    metrics = {
        "schema": 1,
        "split": "none",
        "metrics": {},
        "data": {"name": "unknown", "fingerprint": "unknown"},
        "environment": {},
        "imported": {"file": path.name, "sha256": sha256(path), "names": {k: v for k, v in renamed.items() if k != v}},
        "notes": [note],
    }
    write_bundle(
        folder,
        state_dict=state,
        config={**config, **for_timm(config)},
        recipe_text=f"# There is no recipe. {note}\n",
        metrics=metrics,
        log_csv="epoch\n",
        tokenizer=tokenizer,
        card=lambda config, metrics: card(config, metrics, "", metrics["notes"], name=folder.name if named else None),
        metadata={"name": folder.name} if named else {},
    )
    return folder, renamed


def _read(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    if not path.is_file():
        raise ZooError(f"there is no file {path}; give a .safetensors, its index, or what torch.save wrote.")
    try:
        if path.name.endswith(".index.json"):
            return _shards(path).read(lambda file: nullcontext(path.parent / file), lambda part, _: load_file(part))
        if path.suffix == ".safetensors":
            return load_file(path)
        with tempfile.TemporaryDirectory() as scratch:
            out = Path(scratch) / "tensors.safetensors"
            command = [sys.executable, "-m", "zoo.publishing.unpickle", str(path), str(out)]
            done = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            if done.returncode:
                said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
                raise ZooError(f"{path} cannot be imported: {said}; save its state dict alone, as safetensors.")
            return {key: tensor.clone() for key, tensor in load_file(out).items()}  # the file is deleted in a moment
    except subprocess.TimeoutExpired as error:
        raise ZooError(f"{path} was not read within {_SECONDS} s; save its state dict as safetensors.") from error
    except (SafetensorError, OSError) as error:
        raise ZooError(f"{path} is not a whole safetensors file ({error}); fetch it again.") from error


def _shards(path: Path) -> shards.Shards:
    """The Hub's index of a large state dict; all its files lie beside it."""
    if path.stat().st_size > shards.LIMIT:
        raise shards.too_long(str(path))
    found = shards.parse(path.read_bytes(), str(path))
    if missing := [file for file in found.files if not (path.parent / file).is_file()]:
        raise ZooError(
            f"{path} names {some(missing, 3)}, which {path.parent} does not hold; fetch all files of the index."
        )
    return found


def _rules(maps: Iterable[str]) -> list[tuple[str, str]]:
    rules = []
    for text in maps:
        old, equals, new = text.partition("=")
        if not equals or not old:
            raise ZooError(f"--map {text!r} is not FROM=TO; give the name in the file and the zoo's name.")
        rules.append((old, new))
    return rules


def _rename(names: list[str], model: str, rules: list[tuple[str, str]]) -> tuple[dict[str, str], bool]:
    """Each name with what it becomes, and whether the names were torchvision's."""
    renamed = {}
    for name in names:
        ours = name
        while prefix := next((prefix for prefix in _PREFIXES if ours.startswith(prefix)), None):
            ours = ours.removeprefix(prefix)
        renamed[name] = ours
    is_torchvision = model.startswith("resnet18") and {"layer1.0.conv1.weight", "fc.weight"} <= set(renamed.values())
    if is_torchvision:
        from zoo.models.resnet import from_torchvision

        known: Any = {ours: ours for ours in renamed.values()}
        back = {theirs: ours for ours, theirs in from_torchvision(known).items()}
        renamed = {name: back[ours] for name, ours in renamed.items()}
    for old, new in rules:
        renamed = {name: new + ours[len(old) :] if ours.startswith(old) else ours for name, ours in renamed.items()}
    return renamed, is_torchvision


def _config(
    entry: registry.Model, state: Mapping[str, Tensor], like: str | None, arguments: dict[str, Any], imagenet: bool
) -> tuple[dict[str, Any], str | None]:
    """What config.json says, and the text of a tokenizer.json."""
    count = sum(tensor.numel() for key, tensor in state.items() if key in _parameters(entry.name, arguments))
    tokenizer = None
    if like:
        from zoo.sources import find

        bundle = find(like)
        if bundle.config["model"] != entry.name:
            raise ZooError(f"{like} holds a {bundle.config['model']}, not a {entry.name}; name a weight of that model.")
        if bundle.tokenizer:
            tokenizer = bundle.content(bundle.tokenizer.name).decode()
        taken = {key: bundle.config[key] for key in ("labels", "input")}
        arguments = {**bundle.config["model_args"], **arguments}
    else:
        task = tasks.get(entry.task)
        if not (task.kind == "image" and task.classes):
            raise ZooError(
                f"{entry.name} is for {entry.task}, and the file does not say how raw input becomes tensors; name a "
                "weight whose input this one takes: --like WEIGHT."
            )
        head = state.get("head.weight")
        if head is not None and "num_classes" not in arguments:
            arguments = {**arguments, "num_classes": head.shape[0]}
        channels, *size = entry.input_shape
        scale = _IMAGENET if imagenet else {"mean": [0.0] * channels, "std": [1.0] * channels}
        about = {"kind": "image", "channels": channels, "size": size, "maximum": 255.0, **scale}
        taken = {"labels": [str(number) for number in range(len(head) if head is not None else 1)], "input": about}
    brought = registry.origin(entry.name)
    listed = {} if brought is None else {"plug_ins": [asdict(brought)]}
    told = {"schema": 1, "model": entry.name, "model_args": arguments, "task": entry.task, **taken, **listed}
    return {**told, "num_parameters": count, "data": "unknown"}, tokenizer


def _parameters(model: str, arguments: Mapping[str, Any]) -> set[str]:
    return {name for name, _ in skeleton(model, arguments).named_parameters()}


def _check_fit(path: Path, model: str, arguments: Mapping[str, Any], state: Mapping[str, Tensor]) -> None:
    expected = skeleton(model, arguments).state_dict()
    said = {
        "missing": [key for key in expected if key not in state],
        "unexpected": [key for key in state if key not in expected],
        "of another shape": [
            f"{key} {list(state[key].shape)} instead of {list(slot.shape)}"
            for key, slot in expected.items()
            if key in state and state[key].shape != slot.shape
        ],
    }
    if any(said.values()):
        told = "; ".join(f"{len(keys)} {what}: {some(keys, 3)}" for what, keys in said.items() if keys)
        raise ZooError(f"the tensors of {path} do not fit {model} ({told}); rename them with --map FROM=TO.")
