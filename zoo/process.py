"""Whose process this is: the zoo's own, if the command or a benchmark runs in it, else that of whoever imported it."""

ours = False
"""Whether the memory allocator may be set to what training likes best: nobody can ask it how it was set before."""
