"""Where bundles are read from.

A place has a `url`, gives small files (`read`) and large ones (`fetch`), and may be one that can be written to; each
kind is one file named after its scheme (`zoo.sources.place`): a folder (the package's own `zoo/pretrained` is one), a
web root, a repository on the Hugging Face Hub, and whatever fsspec has a file system for. What comes over a network
goes through one cache (`zoo.sources.cache`), where every file is checked against the index.
"""

from zoo.sources.finding import default_of, find, names, rows, sources

__all__ = ["default_of", "find", "names", "rows", "sources"]
