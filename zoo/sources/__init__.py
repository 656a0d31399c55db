"""Where bundles are read from.

A place has a `url`, gives small files (`read`) and large ones (`fetch`), and may be writable; each scheme has one
file of its name (`zoo.sources.place`): a folder (the package's own `zoo/pretrained` is one), a
web root, a repository on the Hugging Face Hub, and every file system of fsspec. Files from a network go through one
cache (`zoo.sources.cache`), where every file is checked against the index.
"""

from zoo.sources.finding import default_of, find, names, rows, sources

__all__ = ["default_of", "find", "names", "rows", "sources"]
