"""From token ids to vectors."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from zoo.nn.words import PAD, UNKNOWN, WordVectors, bigram_ids, embed


@pytest.fixture
def words() -> WordVectors:
    torch.manual_seed(0)
    return WordVectors(50, 12, padding_idx=PAD)


@pytest.fixture
def pairs() -> WordVectors:
    torch.manual_seed(1)
    return WordVectors(64, 5)


def test_word_vectors_start_small_and_padding_at_zero() -> None:
    torch.manual_seed(0)
    words = WordVectors(3000, 50, padding_idx=PAD)
    assert abs(words.weight[1:].std().item() - 0.3) < 0.005
    assert (words.weight[PAD] == 0).all()


def test_a_pair_stands_beside_its_second_word(words: WordVectors, pairs: WordVectors) -> None:
    tokens = torch.tensor([[7, 3, PAD], [5, PAD, PAD]])
    vectors = embed(tokens, words, pairs)
    assert torch.equal(vectors[..., :12], words(tokens)) and torch.equal(
        vectors[..., 12:], pairs(bigram_ids(tokens, 64))
    )
    assert torch.equal(embed(tokens, words), words(tokens))


def test_word_dropout_reads_that_share_as_unknown_and_leaves_padding_alone(words: WordVectors) -> None:
    seen: list[Tensor] = []
    words.register_forward_hook(lambda _, inputs, output: seen.append(inputs[0]))
    tokens = torch.arange(2, 50).repeat(134)[:6400].view(64, 100)
    embed(tokens, words, word_dropout=0.3)
    assert abs((seen[0] == UNKNOWN).float().mean().item() - 0.3) < 0.03 and (seen[0] != PAD).all()
    embed(torch.tensor([[7, 8], [9, PAD]]), words, word_dropout=1.0)
    assert seen[1].tolist() == [[UNKNOWN, UNKNOWN], [UNKNOWN, PAD]]


def test_word_dropout_makes_pairs_of_what_is_read(words: WordVectors, pairs: WordVectors) -> None:
    dropped = embed(torch.tensor([[7, 8]]), words, pairs, word_dropout=1.0)
    assert torch.equal(dropped, embed(torch.tensor([[UNKNOWN, UNKNOWN]]), words, pairs))


def test_embedding_dropout_takes_whole_words_wherever_they_stand(words: WordVectors, pairs: WordVectors) -> None:
    tokens = torch.arange(2, 50).repeat(2, 3)
    vectors = embed(tokens, words, pairs, embedding_dropout=0.5)
    gone = (vectors[..., :12] == 0).all(-1)  # a pair may be kept where its word is dropped
    assert torch.equal(gone[0, :48], gone[1, 96:]) and 0.25 < gone.float().mean() < 0.75
    torch.testing.assert_close(vectors[..., :12][~gone], 2 * words(tokens)[~gone])
    assert not torch.equal(gone, (vectors[..., 12:] == 0).all(-1))


def test_nothing_is_dropped_outside_training(words: WordVectors, pairs: WordVectors) -> None:
    words.eval()
    pairs.eval()
    tokens = torch.arange(2, 50).view(4, 12)
    assert torch.equal(embed(tokens, words, pairs, 0.9, 0.9), embed(tokens, words, pairs))


def test_a_pair_is_hashed_by_both_its_tokens_and_their_order() -> None:
    ids = bigram_ids(torch.tensor([[7, 3, 7, 3, 9]]), 1 << 16)[0].tolist()
    assert ids[1] == ids[3]  # 7 before 3, twice
    assert len({ids[0], ids[1], ids[2], ids[4]}) == 4
    assert min(ids) >= 0 and max(ids) < 1 << 16


def test_pairs_are_spread_over_the_whole_table() -> None:
    tokens = torch.randint(2, 12_000, (1, 200_000), generator=torch.Generator().manual_seed(0))
    counts = bigram_ids(tokens, 4096)[0].bincount(minlength=4096).float()
    assert (counts.var() / counts.mean()).item() == pytest.approx(1, abs=0.15)  # as that of a Poisson distribution
