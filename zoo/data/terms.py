"""The licences and languages of the zoo's data sets, for the cards of weights grown from them.

A licence is the Hub's identifier, or "unknown" if the authors state none; `source` says where it is stated.
"""

from __future__ import annotations

TERMS: dict[str, dict[str, str]] = {
    "california_housing": {"license": "unknown", "source": "StatLib, Pace & Barry 1997"},
    "cifar10": {"license": "unknown", "source": "https://www.cs.toronto.edu/~kriz/cifar.html"},
    "digits": {"license": "cc-by-4.0", "source": "https://doi.org/10.24432/C50P49"},
    "etth1": {"license": "cc-by-nd-4.0", "source": "https://github.com/zhouhaoyi/ETDataset"},
    "fashion_mnist": {"license": "mit", "source": "https://github.com/zalandoresearch/fashion-mnist"},
    "imdb": {"license": "unknown", "source": "https://ai.stanford.edu/~amaas/data/sentiment", "language": "en"},
    "mnist": {"license": "cc-by-sa-3.0", "source": "http://yann.lecun.com/exdb/mnist"},
    "mnist_tasks": {"license": "cc-by-sa-3.0", "source": "http://yann.lecun.com/exdb/mnist"},
    "sst2": {"license": "unknown", "source": "https://nlp.stanford.edu/sentiment", "language": "en"},
    "telco_churn": {"license": "apache-2.0", "source": "https://github.com/IBM/telco-customer-churn-on-icp4d"},
    "tinyshakespeare": {"license": "mit", "source": "https://github.com/karpathy/char-rnn", "language": "en"},
    "trec": {"license": "unknown", "source": "https://cogcomp.seas.upenn.edu/Data/QA/QC", "language": "en"},
    "ud_english_ewt": {
        "license": "cc-by-sa-4.0",
        "source": "https://github.com/UniversalDependencies/UD_English-EWT",
        "language": "en",
    },
}


def terms(name: str) -> dict[str, str]:
    """License, its source and the language of a data set of the zoo; nothing for a user's own data."""
    return dict(TERMS.get(name, {}))
