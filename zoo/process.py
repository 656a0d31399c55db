"""Whether the process is the zoo's own (its command or a benchmark runs in it) or a program that imported the zoo."""

ours = False
"""Whether training may change the memory allocator's settings, which cannot be read and so not be restored."""
