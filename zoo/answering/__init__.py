"""From files, folders and lines of inputs to answers, as `zoo predict` gives them.

`stream` reads files row by row, `inputs` says what each thing named on the command line holds, `answers` answers them
in batches and lets one bad input cost no other, `columns` and `writing` put the answers into files.
"""
