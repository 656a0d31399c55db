"""A bidirectional LSTM that honours lengths: `zoo.nn.Recurrent` on padded batches beside `nn.LSTM` on packed ones.

    python benchmarks/recurrent.py [--rounds N] [--processor]

Both have the same weights, as wide as in `bilstm_attn`, and read batches of 64 rows whose lengths are drawn as those of
IMDB's training reviews are spread, cut at 400 words. Five batches, evenly spaced from the shortest to the longest, are
as the engine buckets them: together they stand for an epoch. One is as a shuffle leaves it, with 40 % of padding. Timed
is one forward and backward pass on the CPU, in turns; medians are compared. The states of both must be equal to 1e-5,
and their gradients to 1e-4 of the largest.

`--processor` compares processor seconds in place of those on the clock, for a machine that others use too.
Prints a Markdown table; exits 1 where results differ or the padded road is less than five times as fast over the epoch.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable

import torch
from load import Row, report
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from zoo.data.text import buckets
from zoo.nn import Recurrent

ROWS, FEATURES, HIDDEN = 64, 132, 128

# Words in a review of IMDB's training split: these many at most in these parts of the reviews.
PARTS = (0.0, 0.05, 0.10, 0.25, 0.50, 0.75, 0.90, 0.95, 1.0)
WORDS = (11, 77, 112, 153, 213, 349, 563, 733, 2819)
LONGEST = 400
SHUFFLED = "shuffled"

Pass = Callable[[Tensor, Tensor], Tensor]


def main() -> int:
    parser = argparse.ArgumentParser(description="A bidirectional LSTM on padded and on packed batches.")
    parser.add_argument("--rounds", type=int, default=5, help="times that each pass is timed")
    parser.add_argument("--processor", action="store_true", help="compare processor seconds, not those on the clock")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.processor else time.perf_counter
    torch.manual_seed(0)
    ours, packed = pair()
    rows, spent = [], [0.0, 0.0]
    for name, lengths in batches().items():
        x = torch.randn(ROWS, int(lengths.max()), FEATURES)
        times, found = compared(name, ours, packed, x, lengths, arguments.rounds, clock)
        rows += found
        if name != SHUFFLED:
            spent = [sum(both) for both in zip(spent, times, strict=True)]
    zoo, peer = spent
    rows.append(Row("the five of an epoch: packed / zoo", ratio(peer, zoo), "≥ 5×", peer >= 5 * zoo))
    print(f"Times {'of the processor' if arguments.processor else 'on the clock'}.")
    report(rows)
    return 0 if all(row.met for row in rows) else 1


def compared(
    name: str, ours: Pass, packed: Pass, x: Tensor, lengths: Tensor, rounds: int, clock: Callable[[], float]
) -> tuple[list[float], list[Row]]:
    """The milliseconds of both, ours first, and what to print."""
    (states, gradient), (others, other) = (results(way, x, lengths) for way in (ours, packed))
    apart = (states - others).abs().max().item()
    gradients = ((gradient - other).abs().max() / other.abs().max()).item()
    # What was just compared has warmed both.
    taken: dict[Pass, list[float]] = {ours: [], packed: []}
    for _ in range(rounds):
        for way, seconds in taken.items():
            began = clock()
            results(way, x, lengths)
            seconds.append(clock() - began)
    zoo, peer = times = [1000 * statistics.median(seconds) for seconds in taken.values()]
    where = f"{name}, {lengths.min()} to {lengths.max()} words"
    return times, [
        Row(f"{where}: packed / zoo", ratio(peer, zoo)),
        Row(f"{where}: states differ by", f"{apart:.0e}", "≤ 1e-5", apart <= 1e-5),
        Row(f"{where}: gradients differ by", f"{gradients:.0e} of the largest", "≤ 1e-4", gradients <= 1e-4),
    ]


def ratio(peer: float, zoo: float) -> str:
    return f"{peer:.0f} ms / {zoo:.0f} ms = {peer / zoo:.1f}×"


def pair() -> tuple[Pass, Pass]:
    """The two ways from x (N, T, F) and lengths (N,) to states (N, T, 2 H), with the same weights."""
    padded = Recurrent("lstm", FEATURES, HIDDEN, bidirectional=True)
    lstm = nn.LSTM(FEATURES, HIDDEN, batch_first=True, bidirectional=True)
    twin = {
        f"{name}{end}": value
        for half, end in ((padded.ahead[0], ""), (padded.back[0], "_reverse"))
        for name, value in half.state_dict().items()
    }
    lstm.load_state_dict(twin)

    def packed(x: Tensor, lengths: Tensor) -> Tensor:
        states, _ = lstm(pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False))
        return pad_packed_sequence(states, batch_first=True, total_length=x.shape[1])[0]

    return padded, packed


def batches() -> dict[str, Tensor]:
    """Batches of lengths (64,): five of the engine's buckets, by how many are shorter, and one as it was shuffled."""
    part, parts, words = torch.rand(50 * ROWS), torch.tensor(PARTS), torch.tensor(WORDS, dtype=torch.float32)
    above = torch.searchsorted(parts, part).clamp(1, len(PARTS) - 1)
    share = (part - parts[above - 1]) / (parts[above] - parts[above - 1])
    lengths = torch.lerp(words[above - 1], words[above], share).long().clamp(max=LONGEST)
    buckets_ = sorted(
        (lengths[chosen] for chosen in buckets(lengths, ROWS, seed=0)), key=lambda bucket: int(bucket.max())
    )
    spaced = {f"{100 * place // len(buckets_)} %": buckets_[place] for place in range(5, 50, 10)}
    return {**spaced, SHUFFLED: lengths[:ROWS]}


def results(way: Pass, x: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """The states, and the gradient of their squares' sum with respect to x."""
    x = x.clone().requires_grad_()
    states = way(x, lengths)
    states.square().sum().backward()
    assert x.grad is not None
    return states.detach(), x.grad


if __name__ == "__main__":
    sys.exit(main())
