"""The tasks' metrics for arrays: the same as in `zoo.tasks`, without torch. A test checks that they agree.

A graph's outputs (`Task.exports`) and its kind of data decide which metrics are computed.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from zoo._export.feeds import IGNORED

CHUNK = 1000  # rows of distances at a time


def metrics(output: str, outputs: list[Any], targets: list[Any], config: dict[str, Any]) -> dict[str, float]:
    """Metric -> value, from the graph's first output, called `output`, and the targets of every batch of
    `zoo._export.feeds`."""
    given, truth = rows(outputs, targets, config)
    if "tasks" in config["input"]:
        return multi_task(given, truth, config["input"]["tasks"])
    return {name: metric(given, truth) for name, metric in known(output, config["input"]["kind"]).items()}


def known(output: str, kind: str) -> dict[str, Callable[[Any, Any], float]]:
    """The metrics of an output for this kind of data."""
    return OF_LOGITS.get(kind, METRICS["logits"]) if output == "logits" else METRICS[output]


def rows(outputs: list[Any], targets: list[Any], config: dict[str, Any]) -> tuple[Any, Any]:
    """The rows that metrics are taken over, end to end: outputs (R, ...) float32 and targets (R, ...)."""
    input = config["input"]
    if targets[0].ndim > 1 and np.issubdtype(targets[0].dtype, np.integer):  # a row for each step that counts
        counts = [truth != IGNORED for truth in targets]
        outputs = [rows[which] for rows, which in zip(outputs, counts, strict=True)]
        targets = [truth[which] for truth, which in zip(targets, counts, strict=True)]
    given, truth = np.concatenate(outputs).astype(np.float32), np.concatenate(targets)
    if input["kind"] == "series":  # errors are counted in standard deviations
        mean, std = (np.array(input[key], np.float32) for key in ("mean", "std"))
        given, truth = (given - mean) / std, (truth - mean) / std
    return given, truth


def accuracy(logits: Any, targets: Any) -> float:
    return float((logits.argmax(1) == targets).mean())


def mse(outputs: Any, targets: Any) -> float:
    return float(np.square(outputs - targets, dtype=np.float64).mean())


def mae(outputs: Any, targets: Any) -> float:
    return float(np.abs((outputs - targets).astype(np.float64)).mean())


def _flat(metric: Callable[[Any, Any], float]) -> Callable[[Any, Any], float]:
    """Of outputs (N, 1) beside targets (N,)."""
    return lambda outputs, targets: metric(outputs[:, 0], targets)


def rmse(outputs: Any, targets: Any) -> float:
    return mse(outputs, targets) ** 0.5


def nats(logits: Any, targets: Any) -> float:
    return float(-_log_softmax(logits)[np.arange(len(targets)), targets].mean())


def _log_softmax(logits: Any) -> Any:
    shifted = (logits - logits.max(1, keepdims=True)).astype(np.float64)
    return shifted - np.log(np.exp(shifted).sum(1, keepdims=True))


def roc_auc(logits: Any, targets: Any) -> float:
    from sklearn.metrics import roc_auc_score

    return _score(roc_auc_score, logits, targets)


def average_precision(logits: Any, targets: Any) -> float:
    from sklearn.metrics import average_precision_score

    return _score(average_precision_score, logits, targets)


def _score(function: Callable[..., Any], logits: Any, targets: Any) -> float:
    logits, truth = logits.astype(np.float64), np.eye(logits.shape[1], dtype=int)[targets]
    if not truth.any(0).all():
        return float("nan")
    if logits.shape[1] == 2:  # by the difference of the logits, because probabilities near 1 would become equal
        return float(function(truth[:, 1], logits[:, 1] - logits[:, 0]))
    return float(function(truth, np.exp(_log_softmax(logits))))


def recall_at_1(embeddings: Any, labels: Any) -> float:
    squares, right = np.square(embeddings, dtype=np.float64).sum(1), 0
    for start in range(0, len(labels), CHUNK):
        rows = embeddings[start : start + CHUNK]
        distances = squares[start : start + CHUNK, None] + squares - 2 * (rows @ embeddings.T)
        distances[np.arange(len(rows)), np.arange(start, start + len(rows))] = np.inf
        right += int((labels[distances.argmin(1)] == labels[start : start + CHUNK]).sum())
    return right / len(labels)


def multi_task(outputs: Any, targets: Any, tasks: dict[str, dict[str, Any]]) -> dict[str, float]:
    """`TASK_accuracy`, or `TASK_rmse` of a regression, and the sum of the tasks' losses."""
    found, losses, start = {}, [], 0
    for column, (name, task) in enumerate(tasks.items()):
        part, truth = outputs[:, start : start + task["outputs"]], targets[:, column]
        start += task["outputs"]
        if task["kind"] == "classification":
            found[f"{name}_accuracy"] = accuracy(part, truth)
            losses.append(nats(part, truth.astype(np.int64)))
        elif task["kind"] == "binary":
            logits = part[:, 0].astype(np.float64)
            found[f"{name}_accuracy"] = float(((logits > 0) == (truth > 0)).mean())
            losses.append(float((np.logaddexp(0, logits) - logits * truth).mean()))
        else:
            found[f"{name}_rmse"] = rmse(part[:, 0], truth)
            losses.append(mse(part[:, 0], truth))
    return {**found, "sum_of_losses": sum(losses)}


METRICS: dict[str, dict[str, Callable[[Any, Any], float]]] = {
    "logits": {"accuracy": accuracy},
    "forecast": {"mse": mse, "mae": mae},
    "value": {"rmse": _flat(rmse), "mae": _flat(mae)},
    "embedding": {"recall_at_1": recall_at_1},
}
"""Output of a graph -> its metrics."""
OF_LOGITS: dict[str, dict[str, Callable[[Any, Any], float]]] = {
    "table": {"roc_auc": roc_auc, "average_precision": average_precision, "accuracy": accuracy},
    "characters": {"nats": nats},
}
"""Kind of data -> its metrics of logits, if they differ from the usual ones."""
