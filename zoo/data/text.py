"""From text to padded batches of token ids, and from token ids back to the words they stand for."""

from __future__ import annotations

import json
import unicodedata
from array import array
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import torch
from torch import Tensor

from zoo.errors import ZooError
from zoo.wording import clean as clean

if TYPE_CHECKING:
    from pathlib import Path

    from tokenizers import Tokenizer, normalizers, pre_tokenizers

PAD, UNKNOWN = "<pad>", "<unk>"  # ids 0 and 1 of every tokenizer trained here

LARGEST = 64 << 20
"""The most bytes of a tokenizer's file; the largest published ones have a quarter of that."""

Truncate = Literal["head", "tail", "head_tail"]
T = TypeVar("T")


def train_tokenizer(texts: Iterable[str], vocab_size: int = 30_000) -> Tokenizer:
    """A word-level tokenizer of the `vocab_size` most frequent words of `texts`, padding and unknown included.

    Give it only the training texts: a word that only test texts hold must stay unknown. All changes to a text are
    part of the tokenizer and so of its file: line breaks written as <br /> become spaces, compatibility
    forms and typographic apostrophes become plain ones, letters lower case; a word keeps its apostrophes ("don't"), and
    each punctuation mark is a word. Ties in frequency are broken alphabetically, so that the same texts in any order
    give the same bytes.
    """
    from tokenizers import Regex, normalizers, pre_tokenizers

    normalizer = normalizers.Sequence(
        [
            normalizers.Replace(Regex(r"<br\s*/?>"), " "),
            normalizers.NFKC(),
            normalizers.Replace("’", "'"),
            normalizers.Lowercase(),
        ]
    )
    words = pre_tokenizers.Split(Regex(r"\w+(?:'\w+)*|[^\w\s]"), "removed", invert=True)
    return word_level(texts, vocab_size, normalizer, words)


def word_level(
    texts: Iterable[str], vocab_size: int, normalizer: normalizers.Normalizer, words: pre_tokenizers.PreTokenizer
) -> Tokenizer:
    """A tokenizer of the `vocab_size` most frequent words; `words` splits the normalised texts into words."""
    from tokenizers import Tokenizer, models, trainers

    def tokenizer(model: models.WordLevel) -> Tokenizer:
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizer
        tokenizer.pre_tokenizer = words
        return tokenizer

    trained = tokenizer(models.WordLevel(unk_token=UNKNOWN))
    trainer = trainers.WordLevelTrainer(vocab_size=vocab_size, special_tokens=[PAD, UNKNOWN], show_progress=False)
    trained.train_from_iterator(texts, trainer)
    # Rebuilt from the vocabulary alone: the trainer's special tokens are matched before anything else, and a text that
    # happens to say "<pad>" would hold padding in its middle.
    return tokenizer(models.WordLevel(trained.get_vocab(), UNKNOWN))


def read_tokenizer(path: Path | None) -> Tokenizer:
    """The tokenizer in a tokenizer.json; `ZooError` if the file does not hold one."""
    try:
        with open(str(path), "rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise ZooError(f"{path} cannot be read ({error.strerror}); fetch or publish the bundle again.") from error
    return tokenizer_of(content, str(path))


def tokenizer_of(content: bytes, where: str) -> Tokenizer:
    """The tokenizer that the bytes of a tokenizer.json hold; `ZooError` that names `where` if they do not hold one."""
    from tokenizers import Tokenizer

    try:
        if len(content) > LARGEST:
            raise ValueError(f"it has more than {LARGEST:,} bytes")
        tokenizer = Tokenizer.from_str(content.decode())
        _check_growth(tokenizer)
        tokenizer.no_padding()  # the weight's settings say how much of a text is read and how batches are filled
        tokenizer.no_truncation()
        return tokenizer
    except BaseException as error:  # its Rust code raises nothing narrower, and a panic of it is not an Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        why = " ".join(str(error).split())[:200]
        raise ZooError(f"{where} is not a tokenizer ({why}); fetch or publish the bundle again.") from error


GROWTH = 64
"""How many times longer a tokenizer's replacements may make a text, one after the other."""


def _check_growth(tokenizer: Tokenizer) -> None:
    """Raise `ValueError` if the normalizer could fill the memory: forty times "aa" for "a" is terabytes a letter."""
    growth, waiting = 1, [json.loads(tokenizer.normalizer.__getstate__())] if tokenizer.normalizer else []
    while waiting:
        one = waiting.pop()
        waiting += one.get("normalizers") or []
        growth *= max(1, len(one.get("content") or "") + len(one.get("prepend") or ""))
        if growth > GROWTH:
            raise ValueError(f"its normalizer makes texts more than {GROWTH} times as long")


def rows_of(tokenizer: Tokenizer, texts: Sequence[str]) -> list[Any]:
    """The tokenizer's result for each text; `ZooError` if it fails, as a stranger's tokenizer may."""
    try:
        return tokenizer.encode_batch_fast(list(texts))
    except BaseException as error:  # a panic of its Rust code is not an Exception
        if isinstance(error, (KeyboardInterrupt, SystemExit)):
            raise
        why = " ".join(str(error).split())[:200]
        raise ZooError(
            f"the weight's tokenizer fails on this text ({why}); fetch or publish the bundle again."
        ) from error


def encode(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int = 400, truncate: Truncate = "head_tail"
) -> list[list[int]]:
    """Token ids of each text, at most `max_length` of them; an empty text has none.

    `head_tail` keeps the first and the last half of a longer text, because a review's verdict is at one of its ends
    (Sun et al. 2019, How to Fine-Tune BERT for Text Classification?, section 5.3.1); `head` and `tail` keep one end.
    """
    return [shorten(row.ids, max_length, truncate) for row in rows_of(tokenizer, texts)]


class Rows(Sequence[Tensor]):
    """Rows of token ids, stored in one piece of memory; each row is a tensor (length,) of int16, or int32 for a large
    vocabulary.

    Lists of lists take ten times as much.
    """

    def __init__(self, ids: array[int], ends: array[int]) -> None:
        kind = torch.int16 if ids.typecode == "h" else torch.int32
        self.ids: Tensor = torch.frombuffer(ids, dtype=kind) if ids else torch.empty(0, dtype=kind)
        self.ends: array[int] = ends  # where each row ends, after a 0

    def __len__(self) -> int:
        return len(self.ends) - 1

    def __getitem__(self, place: Any) -> Any:
        if not 0 <= place < len(self):
            raise IndexError(place)
        return self.ids[self.ends[place] : self.ends[place + 1]]


SHORT = 1 << 15
"""The ids of a vocabulary of at most this many words fit in two bytes."""
AT_ONCE = 2_000
"""Texts that a tokenizer gets at once: its result takes a hundred times the memory of the ids that are kept."""


def encode_all(
    tokenizer: Tokenizer, texts: Sequence[str], max_length: int = 400, truncate: Truncate = "head_tail"
) -> Rows:
    """Like `encode`, for the texts of a whole split, in little more memory than the ids themselves."""
    ids, ends = array("h" if tokenizer.get_vocab_size() <= SHORT else "i"), array("q", [0])
    for start in range(0, len(texts), AT_ONCE):
        for row in rows_of(tokenizer, texts[start : start + AT_ONCE]):
            ids.extend(shorten(row.ids, max_length, truncate))
            ends.append(len(ids))
    return Rows(ids, ends)


def spans(tokenizer: Tokenizer, text: str) -> list[tuple[int, int]]:
    """For each token of the whole text, where it stands: `text[start:end]` is its word as written.

    `shorten` says which of them `encode` gives.

    The tokenizer reports only the letter of an accent that is a character of its own, so its span is widened here.
    """
    if text.isascii():  # it has no accents
        return tokenizer.encode(text).offsets
    after = len(text)
    ends = [after] * (after + 1)  # for each place, the next place without an accent
    for place in range(len(text) - 1, -1, -1):
        after = after if unicodedata.combining(text[place]) else place
        ends[place] = after
    return [(start, ends[end]) for start, end in tokenizer.encode(text).offsets]


def shorten(items: list[T], max_length: int, truncate: Truncate) -> list[T]:
    """At most `max_length` of the items, from the ends that `truncate` names; if their number is odd, the head gets one
    more."""
    heads = {"head": max_length, "tail": 0, "head_tail": max_length - max_length // 2}
    if truncate not in heads:
        raise ZooError(f"truncate is {truncate!r}; choose head, tail or head_tail.")
    head = heads[truncate]
    return items if len(items) <= max_length else items[:head] + items[len(items) - (max_length - head) :]


def check(texts: Iterable[object], what: str = "text") -> None:
    """Raise `ZooError` for an object that is not a `str`, and for a `str` that no encoding can write; messages call it
    `what`."""
    for text in texts:
        if not isinstance(text, str):
            raise ZooError(f"{type(text).__name__} is not a {what}; give a str, or a list of them.")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise ZooError(f"the {what} {text[:40]!r} holds an unpaired surrogate; give valid Unicode.") from error


def pad(rows: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Rows of ids -> tokens (N, T) int64, zeros after each row's end, and lengths (N,) int64.

    T is the longest row's length, and 1 if every row is empty.
    """
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    tokens = torch.zeros(len(rows), max([1, *map(len, rows)]), dtype=torch.int64)
    for row, ids in zip(tokens, rows, strict=True):
        row[: len(ids)] = torch.as_tensor(ids, dtype=torch.int64)
    return tokens, lengths


def buckets(lengths: Tensor | Sequence[int], batch_size: int, seed: int) -> list[Tensor]:
    """Indices of the rows, each once, in shuffled batches of nearly equal length: little padding, yet a random order.

    The rows are shuffled, cut into pools of 50 batches, sorted by length within a pool, and the batches shuffled. A
    pure function of its arguments: the same on every platform, device and thread, and after a resume.
    """
    lengths = torch.as_tensor(lengths)
    generator = torch.Generator().manual_seed(seed)
    batches: list[Tensor] = []
    for pool in torch.randperm(len(lengths), generator=generator).split(50 * batch_size):
        batches += pool[lengths[pool].argsort(stable=True)].split(batch_size)
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def share_unknown(tokenizer: Any, texts: list[str]) -> float:
    """The share of the words of some texts that a tokenizer does not know; it looks at the first 500 texts."""
    rows = tokenizer.encode_batch_fast(texts[:500])
    ids = [token for row in rows for token in row.ids]
    return sum(token == 1 for token in ids) / max(1, len(ids))
