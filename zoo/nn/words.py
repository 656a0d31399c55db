"""From token ids to vectors: what the text models read."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

PAD, UNKNOWN = 0, 1  # the first two ids of every tokenizer that the zoo trains


class WordVectors(nn.Embedding):
    """An embedding that starts at N(0, 0.3²), padding at zero, where `nn.Embedding` starts at N(0, 1).

    What a rare word was given by chance should weigh less than what a frequent one has learnt. With 0.1, and one
    epoch of warm-up, the training loss on IMDB stood still for most of that epoch.
    """

    def reset_parameters(self) -> None:
        nn.init.normal_(self.weight, std=0.3)
        self._fill_padding_idx_with_zero()


def embed(
    tokens: Tensor,
    words: nn.Embedding,
    pairs: nn.Embedding | None = None,
    word_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
) -> Tensor:
    """The vectors of tokens (N, T), each joined with the vector of the pair that it makes with the token before it, if
    there is one.

    Args:
        words: the table of the vocabulary.
        pairs: the table that pairs are hashed into (`bigram_ids`), if any.
        word_dropout: share of tokens read as unknown (after Iyyer et al. 2015, Deep Unordered Composition Rivals
            Syntactic Methods for Text Classification, section 3.2). It keeps a model from leaning on single words, and
            teaches it what an unknown word means.
        embedding_dropout: share of each table's rows that are zero, each wherever it stands (Gal & Ghahramani 2016, A
            Theoretically Grounded Application of Dropout in Recurrent Neural Networks, section 4.2).

    Both rates act only if `words` is in training mode. Returns (N, T, the tables' widths together).
    """
    if words.training and word_dropout:
        drop = torch.rand(tokens.shape, device=tokens.device) < word_dropout
        tokens = tokens.masked_fill(drop & (tokens != PAD), UNKNOWN)
    vectors = _look_up(words, tokens, embedding_dropout)
    if pairs is None:
        return vectors
    return torch.cat([vectors, _look_up(pairs, bigram_ids(tokens, pairs.num_embeddings), embedding_dropout)], -1)


def _look_up(table: nn.Embedding, ids: Tensor, dropout: float) -> Tensor:
    vectors = table(ids)
    if table.training and dropout:
        keep = F.dropout(vectors.new_ones(table.num_embeddings), dropout)
        vectors = vectors * keep[ids].unsqueeze(-1)
    return vectors


def ends(lengths: Tensor, steps: int, most: int) -> Tensor:
    """Places of the first and last `most` tokens of each text: lengths (N,) -> int64 (N, steps), or (N, most) if less.

    A longer text is read at both ends, as `zoo.data.text.encode` shortens one with `head_tail`; of an odd number the
    head gets more. A shorter one is read as it is, with the padding after it.
    """
    place = torch.arange(steps, device=lengths.device)[:most]
    left_out = (lengths - most).clamp(min=0).unsqueeze(1)
    return place + (place >= most - most // 2) * left_out


def bigram_ids(tokens: Tensor, rows: int) -> Tensor:
    """A row of the table for each token and the one before it: (N, T) int64 -> (N, T) int64 below `rows`.

    The first token is paired with padding. Multiplicative hashing (Knuth, The Art of Computer Programming 3, 6.4).
    """
    before = F.pad(tokens, (1, 0))[:, :-1]
    return (before * 1_000_003 + tokens * 7_919) % 2_147_483_647 % rows
