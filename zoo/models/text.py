"""Text classifiers that read a text to its end and answer from what a recurrent network then holds."""

from __future__ import annotations

from torch import Tensor, nn

from zoo.nn import Recurrent
from zoo.nn.head import linear_head
from zoo.nn.ngrams import Ngrams, WithNgrams, ngrams_beside
from zoo.nn.rates import rate
from zoo.nn.words import PAD, WordVectors, embed, ends
from zoo.registry import register_model


class LastState(WithNgrams):
    """Embedding -> recurrent layers that honour lengths -> what each direction ends with -> linear head.

    The forward direction ends at a text's last word, the backward one at its first; padding is read by neither. So a
    text gives the same logits whatever it is batched with, and a text without tokens gives the head's bias.

    Args:
        cell: "rnn", "lstm" or "gru", as in `zoo.nn.Recurrent`.
        vocab_size: token ids, padding (0) and unknown (1) included.
        embedding_dim: numbers in a token's vector.
        bigrams: rows of the table that pairs of neighbouring tokens are hashed into (Joulin et al. 2017, Bag of Tricks
            for Efficient Text Classification, section 2.2); 0 for none. "not good" then has a vector of its own.
        bigram_dim: numbers in a pair's vector, which stands beside that of the pair's second token.
        hidden: units of each direction of a layer.
        layers: recurrent layers on top of each other.
        bidirectional: whether a second half reads each text from its end.
        num_classes: outputs of the head; 0 for none.
        word_dropout: share of tokens read as unknown, and
        embedding_dropout: share of the vocabulary that is zero, in a training step (see `zoo.nn.words.embed`).
        dropout: share of channels dropped between layers, one mask for all time steps, and from what the head reads.

        ngrams: rows of the table of a linear model on n-grams, whose logits are added in eval mode (`zoo.nn.Ngrams`); 0
            for none. Its weights are fitted to the training texts before the first step.
        ngram_order: n of its longest n-grams.
        ngram_penalty: on its squared weights.
        read: tokens that the network reads, from both ends of a longer text; 0 for all. The n-grams are of the whole
            text, which costs them next to nothing.

    The three rates act in training mode alone.

    Shapes: tokens (N, T) int64 and lengths (N,) int64 -> logits (N, num_classes). The features are what the directions
    end with (N, hidden), or (N, 2 * hidden) of both.
    """

    def __init__(
        self,
        cell: str,
        vocab_size: int,
        embedding_dim: int,
        bigrams: int,
        bigram_dim: int,
        hidden: int,
        layers: int,
        bidirectional: bool,
        num_classes: int,
        word_dropout: float,
        embedding_dropout: float,
        dropout: float,
        ngrams: int = 0,
        ngram_order: int = 2,
        ngram_penalty: float = 0.005,
        read: int = 0,
    ) -> None:
        super().__init__()
        self.embedding: WordVectors = WordVectors(vocab_size, embedding_dim, padding_idx=PAD)
        self.bigrams: WordVectors | None = WordVectors(bigrams, bigram_dim) if bigrams else None
        features = embedding_dim + (bigram_dim if bigrams else 0)
        self.encoder: Recurrent = Recurrent(cell, features, hidden, layers, bidirectional, dropout)
        self.num_features: int = self.encoder.width
        self.ngrams: Ngrams | None = ngrams_beside(ngrams, num_classes, ngram_order, ngram_penalty)
        self.head: nn.Linear | nn.Identity = linear_head(self.num_features, num_classes)
        self.most: int = read
        self.word_dropout: float = rate("word_dropout", word_dropout)
        self.embedding_dropout: float = rate("embedding_dropout", embedding_dropout)
        self.dropout: float = rate("dropout", dropout)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        return self.forward_head(self.forward_features(tokens, lengths))

    def forward_features(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        read, within = tokens, lengths
        if self.most:
            read, within = tokens.gather(1, ends(lengths, tokens.shape[1], self.most)), lengths.clamp(max=self.most)
        vectors = embed(read, self.embedding, self.bigrams, self.word_dropout, self.embedding_dropout)
        return self.beside(self.encoder.last_states(self.encoder(vectors, within), within), tokens, lengths)


@register_model(
    task="text-classification",
    init="recurrent",
    description="Embedding, plain recurrent network, last valid step",
    source="Elman 1990, Finding Structure in Time",
    input_shape=(32,),
)
def rnn_text(
    vocab_size: int = 10_000,
    embedding_dim: int = 100,
    bigrams: int = 0,
    bigram_dim: int = 32,
    hidden: int = 128,
    layers: int = 1,
    num_classes: int = 2,
    word_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    dropout: float = 0.0,
    ngrams: int = 0,
    ngram_order: int = 2,
    ngram_penalty: float = 0.005,
    read: int = 0,
) -> LastState:
    """A `LastState` of tanh units. They have no gates and soon forget, so it is for short texts."""
    return LastState(
        "rnn",
        vocab_size,
        embedding_dim,
        bigrams,
        bigram_dim,
        hidden,
        layers,
        False,
        num_classes,
        word_dropout,
        embedding_dropout,
        dropout,
        ngrams,
        ngram_order,
        ngram_penalty,
        read,
    )


@register_model(
    task="text-classification",
    init="recurrent",
    description="Embedding, two LSTM layers that honour lengths, last valid step",
    source="Hochreiter & Schmidhuber 1997, Long Short-Term Memory",
    input_shape=(256,),
)
def lstm_text(
    vocab_size: int = 20_000,
    embedding_dim: int = 100,
    bigrams: int = 0,
    bigram_dim: int = 32,
    hidden: int = 128,
    layers: int = 2,
    num_classes: int = 2,
    word_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    dropout: float = 0.0,
    ngrams: int = 0,
    ngram_order: int = 2,
    ngram_penalty: float = 0.005,
    read: int = 0,
) -> LastState:
    """A `LastState` of LSTM units."""
    return LastState(
        "lstm",
        vocab_size,
        embedding_dim,
        bigrams,
        bigram_dim,
        hidden,
        layers,
        False,
        num_classes,
        word_dropout,
        embedding_dropout,
        dropout,
        ngrams,
        ngram_order,
        ngram_penalty,
        read,
    )


@register_model(
    task="text-classification",
    init="recurrent",
    description="Embedding, two GRU layers that honour lengths, last valid step",
    source="Cho et al. 2014, Learning Phrase Representations using RNN Encoder-Decoder",
    input_shape=(256,),
)
def gru_text(
    vocab_size: int = 20_000,
    embedding_dim: int = 100,
    bigrams: int = 0,
    bigram_dim: int = 32,
    hidden: int = 128,
    layers: int = 2,
    num_classes: int = 2,
    word_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    dropout: float = 0.0,
    ngrams: int = 0,
    ngram_order: int = 2,
    ngram_penalty: float = 0.005,
    read: int = 0,
) -> LastState:
    """A `LastState` of gated recurrent units."""
    return LastState(
        "gru",
        vocab_size,
        embedding_dim,
        bigrams,
        bigram_dim,
        hidden,
        layers,
        False,
        num_classes,
        word_dropout,
        embedding_dropout,
        dropout,
        ngrams,
        ngram_order,
        ngram_penalty,
        read,
    )


@register_model(
    task="text-classification",
    init="recurrent",
    description="Embedding, bidirectional LSTM, the last valid states of both directions",
    source="Graves & Schmidhuber 2005, Framewise Phoneme Classification with Bidirectional LSTM",
    input_shape=(256,),
)
def bilstm_text(
    vocab_size: int = 20_000,
    embedding_dim: int = 100,
    bigrams: int = 0,
    bigram_dim: int = 32,
    hidden: int = 128,
    layers: int = 1,
    num_classes: int = 2,
    word_dropout: float = 0.0,
    embedding_dropout: float = 0.0,
    dropout: float = 0.0,
    ngrams: int = 0,
    ngram_order: int = 2,
    ngram_penalty: float = 0.005,
    read: int = 0,
) -> LastState:
    """A `LastState` of LSTM units in both directions."""
    return LastState(
        "lstm",
        vocab_size,
        embedding_dim,
        bigrams,
        bigram_dim,
        hidden,
        layers,
        True,
        num_classes,
        word_dropout,
        embedding_dropout,
        dropout,
        ngrams,
        ngram_order,
        ngram_penalty,
        read,
    )
