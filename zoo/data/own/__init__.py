"""The user's own data as data sets: `file:PATH`, `hf:OWNER/NAME`, and objects of a Python program in memory.

One module for each step: `reading` (any format -> columns), `columns` (the type of each), `targets`, `parting`
(training and test), `places` (where the files lie, and whether they are the pinned ones), and one for each kind of
data.
"""
