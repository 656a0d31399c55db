"""Recurrent networks for text."""

from __future__ import annotations

from typing import Literal, overload

import torch
from torch import Tensor, nn

from zoo.nn import AttentionPooling, Recurrent, length_mask
from zoo.nn.head import linear_head
from zoo.nn.ngrams import Ngrams, WithNgrams, ngrams_beside
from zoo.nn.rates import rate
from zoo.nn.recurrent import time_dropout
from zoo.nn.words import PAD, WordVectors, embed, ends
from zoo.registry import register_model


@register_model(
    task="text-classification",
    init="recurrent",
    description="Embedding, bidirectional LSTM that honours lengths, masked additive attention",
    source="Yang et al. 2016, Hierarchical Attention Networks for Document Classification, section 2.2, word level",
    input_shape=(256,),
)
class bilstm_attn(WithNgrams):
    """Embedding -> bidirectional LSTM -> masked additive attention -> linear head.

    A text gives the same logits whatever it is batched with and however far it is padded; a text without tokens is
    pooled to zeros, so that its logits are the head's bias.

    Args:
        vocab_size: token ids, padding (0) and unknown (1) included.
        embedding_dim: numbers in a token's vector.
        hidden: LSTM units of each direction.
        layers: bidirectional LSTM layers.
        attention: units that score a state.
        num_classes: outputs of the head; 0 for none.
        bigrams: rows of the table that pairs of neighbouring tokens are hashed into (Joulin et al. 2017, Bag of Tricks
            for Efficient Text Classification, section 2.2); 0 for none. "not good" then has a vector of its own.
        bigram_dim: numbers in a pair's vector, which stands beside that of the pair's second token.
        skip: whether attention pools each token's vectors beside its states (Lai et al. 2015, Recurrent Convolutional
            Neural Networks for Text Classification, section 3.1), so that the head sees words and pairs directly.
        word_dropout: share of tokens read as unknown, and
        embedding_dropout: share of the vocabulary that is zero, in a training step (see `zoo.nn.words.embed`).
        dropout: share of channels dropped from a row's LSTM states, one mask for all time steps, and again from
            the pooled vector.
        ngrams: rows of the table of a linear model on n-grams, whose logits are added in eval mode (`zoo.nn.Ngrams`); 0
            for none. Its weights are fitted to the training texts before the first step.
        ngram_order: n of its longest n-grams.
        ngram_penalty: on its squared weights.
        read: tokens that the network reads, from both ends of a longer text; 0 for all. The n-grams are of the whole
            text, which costs them next to nothing.

    The three rates act in training mode alone; 0 by default, since what helps depends on the amount of text.

    Shapes: tokens (N, T) int64 and lengths (N,) int64 -> logits (N, num_classes); with `return_attention` also the
    weights (N, T), which sum to 1 over a text and are exactly 0 after it. The features are the pooled vector (N, F).
    """

    def __init__(
        self,
        vocab_size: int = 30_000,
        embedding_dim: int = 100,
        bigrams: int = 0,
        bigram_dim: int = 32,
        skip: bool = False,
        hidden: int = 128,
        layers: int = 1,
        attention: int = 64,
        num_classes: int = 2,
        word_dropout: float = 0.0,
        embedding_dropout: float = 0.0,
        dropout: float = 0.0,
        ngrams: int = 0,
        ngram_order: int = 2,
        ngram_penalty: float = 0.005,
        read: int = 0,
    ) -> None:
        super().__init__()
        self.embedding: WordVectors = WordVectors(vocab_size, embedding_dim, padding_idx=PAD)
        self.bigrams: WordVectors | None = WordVectors(bigrams, bigram_dim) if bigrams else None
        features = embedding_dim + (bigram_dim if bigrams else 0)
        self.encoder: Recurrent = Recurrent("lstm", features, hidden, layers, bidirectional=True, dropout=dropout)
        self.skip = skip
        width = 2 * hidden + (features if skip else 0)
        self.pool: AttentionPooling = AttentionPooling(width, attention)
        self.num_features = width
        self.ngrams: Ngrams | None = ngrams_beside(ngrams, num_classes, ngram_order, ngram_penalty)
        self.head: nn.Linear | nn.Identity = linear_head(width, num_classes)
        self.most: int = read
        self.word_dropout: float = rate("word_dropout", word_dropout)
        self.embedding_dropout: float = rate("embedding_dropout", embedding_dropout)
        self.dropout: float = rate("dropout", dropout)

    @overload
    def forward(self, tokens: Tensor, lengths: Tensor, return_attention: Literal[False] = False) -> Tensor: ...
    @overload
    def forward(self, tokens: Tensor, lengths: Tensor, return_attention: Literal[True]) -> tuple[Tensor, Tensor]: ...
    def forward(
        self, tokens: Tensor, lengths: Tensor, return_attention: bool = False
    ) -> Tensor | tuple[Tensor, Tensor]:
        pooled, weights = self.attend(tokens, lengths)
        logits = self.forward_head(self.beside(pooled, tokens, lengths))
        return (logits, weights) if return_attention else logits

    def forward_features(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.beside(self.attend(tokens, lengths)[0], tokens, lengths)

    def attend(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """The pooled vector (N, num_features) and the weights (N, T) by which it is pooled."""
        if not self.most:
            return self._attend(tokens, lengths)
        places = ends(lengths, tokens.shape[1], self.most)
        pooled, weights = self._attend(tokens.gather(1, places), lengths.clamp(max=self.most))
        return pooled, weights.new_zeros(tokens.shape).scatter_add(1, places, weights)

    def _attend(self, tokens: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        vectors = self.embed(tokens)
        states = time_dropout(self.encoder(vectors, lengths), self.dropout, self.training)
        if self.skip:
            states = torch.cat([states, vectors], -1)
        return self.pool(states, length_mask(lengths, tokens.shape[1]))

    def embed(self, tokens: Tensor) -> Tensor:
        """Vectors (N, T, embedding_dim + bigram_dim) of the tokens, with both dropouts in training mode."""
        return embed(tokens, self.embedding, self.bigrams, self.word_dropout, self.embedding_dropout)
