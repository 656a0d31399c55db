"""What a card says in words of a weight's limits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from zoo.publishing.markdown import code, plain


def limits(config: Mapping[str, Any], metrics: Mapping[str, Any], data: str, classes: bool) -> list[str]:
    """Sentences on what the weight must not be taken for."""
    split = plain(metrics.get("split", "test"))
    said = [f"It is measured on the {split} split of {code(data)} alone; elsewhere it may be worse."]
    if (metrics.get("data") or {}).get("language") == "en":
        said.append("It has read English alone.")
    if config["labels"] and classes:
        said.append("It answers with one of its labels whatever it is shown, an input of another kind too.")
        found = metrics.get("calibration")
        if config.get("temperature"):
            said.append(
                f"Probabilities are calibrated: predictors divide its outputs by {config['temperature']:g}, fitted on "
                "samples that were held out of training; the outputs themselves are as they are."
            )
        elif found:
            said.append("Its probabilities are not calibrated: no temperature was fitted.")
    return said
