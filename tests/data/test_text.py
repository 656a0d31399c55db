"""Tokenizer, truncation, padding, spans and batches of like length."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from zoo.data import text
from zoo.data.text import buckets, encode, pad, shorten, spans, train_tokenizer
from zoo.errors import ZooError

TEXTS = [
    "A good film.<br /><br />Good, good acting!",
    "Don't watch: a bad film, a BAD one.",
    "It isn’t bad; it’s good<br>fun.",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(TEXTS, vocab_size=100)


def words(tokenizer: Tokenizer, text: str) -> list[str]:
    return tokenizer.encode(text).tokens


def test_padding_is_zero_and_unknown_is_one(tokenizer: Tokenizer) -> None:
    assert tokenizer.token_to_id("<pad>") == 0 and tokenizer.token_to_id("<unk>") == 1
    assert encode(tokenizer, ["xylophone"]) == [[1]]


def test_normalisation_travels_in_the_file(tokenizer: Tokenizer, tmp_path: Path) -> None:
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    loaded = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert words(loaded, "GOOD<br /><br/>film") == ["good", "film"]
    assert words(loaded, "Don’t, isn't") == ["don't", ",", "isn't"]
    assert encode(loaded, TEXTS) == encode(tokenizer, TEXTS)


def test_the_same_texts_in_any_order_give_the_same_bytes() -> None:
    """Most words of this corpus are equally frequent, so that only the tie-break can order them."""
    draw = random.Random(0)
    texts = [" ".join(draw.choices("abcdefghij", k=9)) + f" w{draw.randrange(10**6)} v{i}" for i in range(300)]
    first = train_tokenizer(texts, 200).to_str()
    draw.shuffle(texts)
    assert train_tokenizer(iter(texts), 200).to_str() == first


def test_the_vocabulary_is_the_most_frequent_words() -> None:
    tokenizer = train_tokenizer(["a a a a b b b c c d"], vocab_size=5)
    assert sorted(tokenizer.get_vocab()) == ["<pad>", "<unk>", "a", "b", "c"]


def test_a_text_that_says_pad_holds_no_padding(tokenizer: Tokenizer) -> None:
    assert 0 not in encode(tokenizer, ["a <pad> good <unk> film"])[0]
    assert len(encode(tokenizer, ["<pad>"])[0]) == 3


@pytest.mark.parametrize("text", ["", "   \n\t", "<br />", "<br><br/>"])
def test_an_empty_text_has_no_tokens(tokenizer: Tokenizer, text: str) -> None:
    assert encode(tokenizer, [text]) == [[]]


@pytest.mark.parametrize(
    ("truncate", "length", "kept"),
    [
        ("head", 3, ["a", "b", "c"]),
        ("tail", 3, ["e", "f", "g"]),
        ("head_tail", 3, ["a", "b", "g"]),
        ("head_tail", 4, ["a", "b", "f", "g"]),
        ("head_tail", 7, ["a", "b", "c", "d", "e", "f", "g"]),
        ("head", 1, ["a"]),
        ("head_tail", 1, ["a"]),
    ],
)
def test_truncation(truncate, length: int, kept: list[str]) -> None:
    tokenizer, text = train_tokenizer(["a b c d e f g"], 20), "A b c d e f G"
    ids = encode(tokenizer, [text], length, truncate)[0]
    assert [tokenizer.id_to_token(i) for i in ids] == kept
    assert [text[a:b].lower() for a, b in shorten(spans(tokenizer, text), length, truncate)] == kept


def test_an_unknown_way_to_truncate(tokenizer: Tokenizer) -> None:
    with pytest.raises(ZooError, match="choose head, tail or head_tail"):
        encode(tokenizer, ["a"], 3, "middle")  # type: ignore[arg-type]


def test_spans_are_the_words_as_written(tokenizer: Tokenizer) -> None:
    """Even if normalisation changes the number of characters: a ligature, a dotted capital, a line break."""
    text = "Don’t <br />ﬁlm İstanbul 😀 GOOD!"
    assert [text[a:b] for a, b in spans(tokenizer, text)] == ["Don’t", "ﬁlm", "İstanbul", "😀", "GOOD", "!"]


def test_pad() -> None:
    tokens, lengths = pad([[5, 6, 7], [], [8]])
    assert tokens.tolist() == [[5, 6, 7], [0, 0, 0], [8, 0, 0]] and lengths.tolist() == [3, 0, 1]
    assert tokens.dtype == lengths.dtype == torch.int64
    assert pad([[], []])[0].shape == (2, 1)


def test_buckets_hold_every_row_once_and_pad_little() -> None:
    lengths = torch.randint(1, 400, (5003,), generator=torch.Generator().manual_seed(0))
    batches = buckets(lengths, 32, seed=3)
    assert sorted(torch.cat(batches).tolist()) == list(range(5003))
    assert len(batches) <= -(-5003 // 32) + 4 and max(map(len, batches)) == 32
    padded = sum(int(lengths[b].max()) * len(b) for b in batches)
    assert padded < 1.05 * int(lengths.sum()), "random batches of these lengths pad to twice the sum"
    firsts = [int(lengths[b].min()) for b in batches]
    assert firsts != sorted(firsts)


def test_buckets_are_a_pure_function_of_lengths_size_and_seed() -> None:
    lengths = [1 + i * 37 % 90 for i in range(500)]
    first = torch.cat(buckets(lengths, 16, seed=1))
    torch.manual_seed(99)
    torch.rand(7)
    assert torch.equal(first, torch.cat(buckets(torch.tensor(lengths), 16, seed=1)))
    assert not torch.equal(first, torch.cat(buckets(lengths, 16, seed=2)))
    assert first[:5].tolist() == [334, 227, 497, 407, 137], "a published recipe would no longer give its weight"


def test_a_whole_split_is_encoded_as_its_texts_are(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [" ".join(f"w{j % 7}" for j in range(i % 12)) for i in range(50)]
    tokenizer = text.train_tokenizer(texts, 100)
    monkeypatch.setattr(text, "AT_ONCE", 7)
    rows = text.encode_all(tokenizer, texts, 5)
    assert [row.tolist() for row in rows] == text.encode(tokenizer, texts, 5) and len(rows) == 50
    assert all(map(torch.equal, text.pad(rows), text.pad(text.encode(tokenizer, texts, 5))))  # type: ignore[arg-type]
