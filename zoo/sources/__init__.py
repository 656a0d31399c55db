"""Where bundles are read from.

A source has a `url`, lists its weights (`read_index`) and hands over one file of a weight (`fetch`). There are three:
a folder (the package's own `zoo/pretrained` is one), an https root, and a repository on the Hugging Face Hub. What
comes over a network goes through one cache (`zoo.sources.cache`), where every file is checked against the index.
"""

from zoo.sources.finding import find, pull, sources

__all__ = ["find", "pull", "sources"]
