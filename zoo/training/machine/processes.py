"""Several processes that train one model, started by `torchrun` or `accelerate launch`; all of this does nothing for
one process.

Every process loads the whole batch, so that its random parts are drawn as by one process, and computes its own rows.
Then the outputs are joined, and each process takes the loss of the whole batch. So any loss, even one over pairs of
samples or with its own average, is that of a single process (for dropout see
`zoo.training.machine.draws`).
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.distributed as dist
from torch import Tensor

from zoo.errors import ZooError
from zoo.kinds.feed import Inputs

MEETING = ("WORLD_SIZE", "RANK", "MASTER_ADDR", "MASTER_PORT")
"""The environment variables by which a launcher's processes find each other."""

MPI = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")
"""The variables of MPI's launchers for the number of processes. accelerate would wait for these processes, but we do
not start an MPI process group."""


def join(device: torch.device) -> None:
    """Join the other processes of the launch, if there are any: over gloo on CPUs, over NCCL on GPUs.

    Raises `ZooError` if the environment names a launch but not how to join it, and if joining fails.
    """
    if dist.is_initialized():
        return
    if os.environ.get("WORLD_SIZE", "1") == "1":
        for name in MPI:
            if os.environ.get(name, "1") != "1":
                raise ZooError(
                    f"the environment is set up for several MPI processes ({name} is {os.environ[name]!r}); start them "
                    f"with torchrun, or unset {name} to train alone."
                )
        return
    told = {name: os.environ.get(name, "") for name in MEETING}
    wrong = [name for name, value in told.items() if not (value if name == "MASTER_ADDR" else value.isdecimal())]
    if not wrong and int(told["RANK"]) >= int(told["WORLD_SIZE"]):
        wrong = ["RANK"]
    if wrong:
        raise ZooError(
            f"the environment is set up for several processes (WORLD_SIZE is {told['WORLD_SIZE']!r}), but {wrong[0]} "
            "is "
            f"{told[wrong[0]]!r}; start them with torchrun, or unset WORLD_SIZE to train alone."
        )
    try:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    except (dist.DistError, ValueError) as error:
        place, why = f"{told['MASTER_ADDR']}:{told['MASTER_PORT']}", str(error).splitlines()[0]
        raise ZooError(f"the processes did not meet at {place} ({why}); start them with torchrun.") from error
    atexit.register(dist.destroy_process_group)


@contextmanager
def others() -> Iterator[None]:
    """Raise `ZooError` if the body waits for another process that has ended."""
    try:
        yield
    except RuntimeError as error:
        if count() == 1 or not (isinstance(error, dist.DistError) or "gloo" in str(error)):
            raise
        raise ZooError(
            "another process of this launch has ended; read its message, remove the cause, and go on with --resume."
        ) from error


def alone() -> dict[str, str]:
    """This process's environment without its launch, for runs that train alone."""
    return {name: value for name, value in os.environ.items() if name not in (*MEETING, *MPI, "LOCAL_RANK")}


def count() -> int:
    """How many processes train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if count() > 1 else 0


def is_main() -> bool:
    """Whether this is the process that writes files and prints."""
    return rank() == 0


def own_rows(inputs: Inputs) -> Inputs:
    """This process's rows of a batch; a process without rows gets one row, which `whole` drops again."""
    if count() == 1:
        return inputs
    start, end = share(len(inputs[0]))
    return tuple(x[start:end] if end > start else x[:1] for x in inputs)


def whole(outputs: Tensor, rows: int) -> Tensor:
    """The outputs of all processes for a batch of this many rows, in the batch's order.

    Only this process's own rows carry a gradient. The sum over the processes is the gradient of the loss; since
    `DistributedDataParallel` averages instead, each gradient is multiplied by the number of processes.
    """
    if count() == 1:
        return outputs
    longest = share(rows, 0)[1]
    shape = outputs.shape[1:]
    mine = outputs.new_zeros(longest, *shape)
    start, end = share(rows)
    mine[: end - start] = outputs.detach()[: end - start]
    parts = [torch.empty_like(mine) for _ in range(count())]
    dist.all_gather(parts, mine)
    if outputs.requires_grad:
        outputs.register_hook(lambda gradient: gradient * count())
    # Use even an output without rows, at no effect: the other processes wait for its gradient.
    parts[rank()] = outputs if end > start else outputs[:0]
    shares = [share(rows, process) for process in range(count())]
    return torch.cat([part[: last - first] for part, (first, last) in zip(parts, shares, strict=True)])


def told_by_main(values: Sequence[float], device: torch.device) -> list[float]:
    """The main process's values, on every process; the values of the others are ignored."""
    if count() == 1:
        return list(values)
    told = torch.tensor(values, dtype=torch.float64 if device.type != "mps" else torch.float32, device=device)
    dist.broadcast(told, 0)
    return told.tolist()


def largest(value: int, device: torch.device) -> int:
    """The largest of the processes' numbers."""
    if count() == 1:
        return value
    shared = torch.tensor(value, device=device)
    dist.all_reduce(shared, dist.ReduceOp.MAX)
    return int(shared)


def wait() -> None:
    """Wait until every process is here."""
    if count() > 1:
        dist.barrier()


def share(rows: int, process: int | None = None) -> tuple[int, int]:
    """The first and the end of the rows of a batch that a process computes; by default this process.

    Shares differ by at most one row; the first processes have the larger ones.
    """
    process = rank() if process is None else process
    least, more = divmod(rows, count())
    start = process * least + min(process, more)
    return start, start + least + (process < more)
