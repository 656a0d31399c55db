"""From files, folders and lines of inputs to answers, as `zoo predict` gives them.

`stream` reads files row by row, `inputs` finds the inputs in each argument of the command line, `answers` answers
them in batches so that a bad input does not spoil the others, `columns` and `writing` put the answers into files.
"""
