"""Recurrent taggers: a label for each word of a sentence."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from zoo.nn import Recurrent
from zoo.nn.head import WithHead, linear_head
from zoo.nn.rates import rate
from zoo.nn.recurrent import time_dropout
from zoo.nn.words import PAD, UNKNOWN, WordVectors
from zoo.registry import register_model


@register_model(
    task="token-classification",
    init="recurrent",
    description="Bidirectional LSTM over words that are spelt by a bidirectional LSTM over characters",
    source="Plank, Søgaard & Goldberg 2016, Multilingual Part-of-Speech Tagging with Bidirectional LSTMs, section 2",
    input_shape=(24,),
)
class bilstm_tagger(WithHead):
    """A word's vector and the two last states of a BiLSTM over its characters -> BiLSTM over the sentence -> head.

    The characters tell what an unknown word is: its ending, its capitals, its digits (Ling et al. 2015, Finding
    Function in Form, section 3). A sentence gives the same logits whatever it is batched with.

    Args:
        vocab_size: word ids, padding (0) and unknown (1) included.
        characters: character ids, padding (0) and unknown (1) included.
        embedding_dim: numbers in a word's vector.
        character_dim: numbers in a character's vector.
        spelling: LSTM units of each direction over the characters.
        hidden: LSTM units of each direction over the words.
        layers: bidirectional LSTM layers over the words.
        num_classes: outputs of the head for each word; 0 for none.
        word_dropout: share of words read as unknown (Kiperwasser & Goldberg 2016, Simple and Accurate Dependency
            Parsing, section 4.1): teaches the model to tell a word by its spelling and its neighbours alone.
        dropout: share of channels dropped from a sentence's words, and from its states in front of each further layer
            and of the head, one mask for all time steps.

    The two rates act in training mode alone; 0 by default, since what helps depends on the amount of text.

    Shapes: words (N, T), characters (N, T, C) and lengths (N,), all int64 -> logits (N, T, num_classes); those
    after a sentence's length mean nothing. The features are the words' states (N, T, 2 * hidden).
    """

    def __init__(
        self,
        vocab_size: int = 10_000,
        characters: int = 100,
        embedding_dim: int = 100,
        character_dim: int = 32,
        spelling: int = 64,
        hidden: int = 200,
        layers: int = 1,
        num_classes: int = 17,
        word_dropout: float = 0.0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding: WordVectors = WordVectors(vocab_size, embedding_dim, padding_idx=PAD)
        self.characters: WordVectors = WordVectors(characters, character_dim, padding_idx=PAD)
        self.speller: Recurrent = Recurrent("lstm", character_dim, spelling, bidirectional=True)
        width = embedding_dim + 2 * spelling
        self.encoder: Recurrent = Recurrent("lstm", width, hidden, layers, bidirectional=True, dropout=dropout)
        self.num_features: int = 2 * hidden
        self.head: nn.Linear | nn.Identity = linear_head(2 * hidden, num_classes)
        self.word_dropout: float = rate("word_dropout", word_dropout)
        self.dropout: float = rate("dropout", dropout)

    def forward(self, words: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(words, characters, lengths))

    def forward_features(self, words: Tensor, characters: Tensor, lengths: Tensor) -> Tensor:
        if self.training and self.word_dropout:
            drop = torch.rand(words.shape, device=words.device) < self.word_dropout
            words = words.masked_fill(drop & (words != PAD), UNKNOWN)
        vectors = torch.cat([self.embedding(words), self.spell(characters)], -1)
        return self.encoder(time_dropout(vectors, self.dropout, self.training), lengths)

    def forward_head(self, features: Tensor, pre_logits: bool = False) -> Tensor:
        return super().forward_head(time_dropout(features, self.dropout, self.training), pre_logits)

    def spell(self, characters: Tensor) -> Tensor:
        """Characters (N, T, C) -> what each direction ends with on each word (N, T, 2 * spelling); zeros for padding.

        The words of all sentences are one batch: a word's vector depends on the word alone.
        """
        rows = characters.flatten(0, 1)
        lengths = (rows != PAD).sum(-1)
        states = self.speller(self.characters(rows), lengths)
        return self.speller.last_states(states, lengths).unflatten(0, characters.shape[:2])
