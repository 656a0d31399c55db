"""Many runs of one recipe as jobs: processes on this machine, or on a cluster through submitit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from zoo import streams
from zoo.errors import ZooError
from zoo.training.machine import processes, signals
from zoo.training.run import Run

LONGEST = 24 * 60
"""Minutes requested from a cluster for one run: more than any recipe here takes."""

LOOK = 0.2
"""Seconds between checks for a signal to stop."""


def train_all(
    recipe: Path, folders: Mapping[int, Path], *, jobs: int = 1, device: str | None = None, cluster: str | None = None
) -> list[Run]:
    """Train `recipe` (a file or folder) once for each seed of `folders`, into its folder, at most `jobs` at a time.

    Each is a process of its own (`zoo train … --resume` if its folder exists already), with its share of the
    machine's threads unless OMP_NUM_THREADS says otherwise. SIGINT and SIGTERM end all of them, each after a
    checkpoint. With `cluster` they are submitit's jobs: "slurm", or "local" for processes on this machine; the signals
    cancel them. A failed run is not started again.

    Raises `ZooError` with the failed seeds and the last line of each, once the other runs are done.
    """
    if jobs < 1:
        raise ZooError(f"jobs is {jobs}; give 1 or more.")
    commands = {seed: _command(recipe, seed, folder, device) for seed, folder in folders.items()}
    failed = _on_cluster(commands, folders, jobs, cluster) if cluster else _here(commands, jobs)
    if failed:
        said = "; ".join(f"seed {seed}: {line}" for seed, line in sorted(failed.items()))
        raise ZooError(
            f"{len(failed)} of {len(folders)} runs failed ({said}); mend the cause and run again with the same --out."
        )
    return [Run(folder) for folder in folders.values()]


def _command(recipe: Path, seed: int, folder: Path, device: str | None) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "zoo",
        "train",
        str(recipe),
        f"train.seed={seed}",
        "--out",
        str(folder),
        "--no-baseline",
    ]
    return command + (["--device", str(device)] if device else []) + (["--resume"] if folder.exists() else [])


def _here(commands: Mapping[int, list[str]], jobs: int) -> dict[int, str]:
    """Seed -> the last line of each process that failed."""
    threads = str(max(1, (os.cpu_count() or 1) // jobs))
    environment = {"OMP_NUM_THREADS": threads, **processes.alone()}
    places, failed, leaving = threading.Semaphore(jobs), {}, threading.Event()

    def work(seed: int, tell: Callable[[int, str], None]) -> None:
        with places:
            if leaving.is_set():
                return
            process = subprocess.Popen(
                commands[seed],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                env=environment,
                start_new_session=True,  # a terminal's Ctrl-C reaches only this process, which passes it on once
            )
            passing_on = threading.Thread(target=_end, args=(process, leaving))
            passing_on.start()
            last = ""
            for line in process.stderr or ():
                last = line.strip() or last
                tell(seed, last)
            if process.wait():
                failed[seed] = last.removeprefix("error: ") or f"exit status {process.returncode}"
            passing_on.join()

    with _lines(commands) as tell, signals.noted() as received:
        workers = [threading.Thread(target=work, args=(seed, tell)) for seed in commands]
        for worker in workers:
            worker.start()
        for worker in workers:
            while worker.is_alive():
                if received:
                    leaving.set()
                worker.join(LOOK)
        if received:
            signals.leave(received[0])
    return failed


def _end(process: subprocess.Popen[str], leaving: threading.Event) -> None:
    """Tell a run to write its checkpoint and end, as soon as all runs are to stop."""
    while process.poll() is None:
        if leaving.wait(LOOK):
            process.terminate()
            process.wait()


@contextmanager
def _lines(seeds: Mapping[int, Any]) -> Iterator[Callable[[int, str], None]]:
    """A function of (seed, last line of its run): it shows one line for each seed, live on a terminal, else one after
    another."""
    if not streams.is_terminal():
        yield lambda seed, line: streams.say(f"seed {seed}: {line}")
        return
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text

    said = dict.fromkeys(seeds, "waiting")
    with Live(console=Console(file=streams.quiet()), refresh_per_second=4) as live:

        def tell(seed: int, line: str) -> None:
            said[seed] = line
            live.update(Text("\n".join(f"seed {seed}: {line}" for seed, line in said.items())))

        yield tell


def _on_cluster(
    commands: Mapping[int, list[str]], folders: Mapping[int, Path], jobs: int, cluster: str
) -> dict[int, str]:
    try:
        import submitit
    except ImportError as error:
        raise ZooError("cluster needs submitit; install it with: pip install 'reprozoo[slurm]'.") from error
    logs = next(iter(folders.values())).parent / "submitit"
    try:
        executor = submitit.AutoExecutor(folder=logs, cluster=cluster)
    except Exception as error:  # submitit may raise anything, assertions included
        raise ZooError(f"cluster {cluster!r} cannot be used ({error}); choose slurm or local.") from error
    limits = {"slurm_array_parallelism": jobs} if cluster == "slurm" else {}
    executor.update_parameters(timeout_min=LONGEST, name="zoo", **limits)
    failed, waiting = {}, dict(commands)
    with _lines(commands) as tell, signals.noted() as received:
        while waiting:
            # slurm itself holds back jobs over the limit
            batch = list(waiting)[: jobs if cluster != "slurm" else None]
            # Processes of the local executor inherit the mask: a terminal's Ctrl-C reaches only this process.
            mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            submitted = {seed: executor.submit(_run, waiting.pop(seed), cluster) for seed in batch}
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for seed, job in submitted.items():
                tell(seed, f"job {job.job_id}")
            for seed, job in submitted.items():
                while not (job.done() or received):
                    time.sleep(LOOK)
                if received:
                    _cancel(submitted, tell, cluster)
                    signals.leave(received[0])
                try:
                    why = job.result()
                except Exception as error:  # the cluster's own, such as a node that died
                    why = " ".join(str(error).split()) or repr(error)
                if why:
                    failed[seed] = why
                tell(seed, f"job {job.job_id} {'failed' if why else 'is done'}")
    return failed


def _cancel(submitted: Mapping[int, Any], tell: Callable[[int, str], None], cluster: str) -> None:
    """Cancel the unfinished jobs; wait for those on this machine to end, each after its checkpoint."""
    left = {seed: job for seed, job in submitted.items() if not job.done()}
    for seed, job in left.items():
        tell(seed, f"job {job.job_id} is cancelled")
        if cluster != "local":
            job.cancel(check=False)
    while running := [job for job in left.values() if cluster == "local" and not job.done()]:
        for job in running:  # `cancel` would kill it within a second; before its run begins, a job may miss a signal
            os.kill(int(job.job_id), signal.SIGTERM)
        time.sleep(LOOK)


def _run(command: list[str], cluster: str) -> str:
    """The work of a cluster's node; returns the last line of a failed run, "" for a run that is done."""
    received: list[int] = []
    if cluster == "local":  # slurm itself signals every process of a job
        signal.signal(signal.SIGTERM, lambda number, frame: received.append(number))
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as said:
        process = subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=processes.alone(),
            start_new_session=cluster == "local",  # so that the run gets only one of many signals
        )
        while process.poll() is None and not received:
            time.sleep(LOOK)
        if received:
            process.terminate()
        status = process.wait()
        said.seek(0)
        lines = said.read().strip().splitlines()
    if not status:
        return ""
    return lines[-1].removeprefix("error: ") if lines else f"exit status {status}"
