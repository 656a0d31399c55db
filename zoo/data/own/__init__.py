"""Files of one's own as data sets: `file:PATH`, `hf:OWNER/NAME`, and what a Python program has in memory.

One file for each step: `reading` (any format -> columns), `columns` (what stands in each), `targets`, `parting`
(training and test), `places` (where the files lie, and that they are the pinned ones), and one for each kind of data.
"""
