"""The consumer: from a batch of the stream to rows of the table, exactly once.

`consume` is the recipe; `records` parses, `workspace` knows rows, `unit_of_work` commits.
"""
