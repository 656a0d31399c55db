"""The source of the weights of timm's models: the Hugging Face Hub, through its client's cache."""

from __future__ import annotations

import os
from pathlib import Path

from zoo.bundles.index import TENSORS
from zoo.errors import ZooError
from zoo.home import offline
from zoo.integrity import check_file
from zoo.models.timm import config as config
from zoo.models.timm import transform as transform
from zoo.sources.hf import ask, hub_errors


def file(name: str) -> Path:
    """The path of a timm model's weight, model.safetensors; fetched unless the Hub's cache has it, and its SHA-256
    checked."""
    from huggingface_hub import HfApi, try_to_load_from_cache

    place = config(name).hf_hub_id
    if not place:
        raise ZooError(f"timm has no weight of {name} on the Hub; leave pretrained out, or name another model.")
    api = HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    cached = isinstance(try_to_load_from_cache(place, TENSORS), str)
    if offline() and not cached:
        raise ZooError(
            f"{TENSORS} of {place}: ZOO_OFFLINE forbids the network, and the Hub's cache lacks it; unset it."
        )
    with hub_errors(f"{TENSORS} of {place}"):
        if not cached:
            ask(api, place, TENSORS)
        path = Path(api.hf_hub_download(place, TENSORS, local_files_only=offline(), etag_timeout=5))
    blob = path.resolve()  # the Hub's cache names it by the file's SHA-256
    if len(blob.name) != 64:
        raise ZooError(f"the Hub gives no SHA-256 for {TENSORS} of {place}, so nothing vouches for it.")
    check_file(blob, blob.name)
    return path
