"""The consumer: from a batch of the stream to rows of the table, exactly once.

`consume` is the recipe; `records` parses, `packing` tells who shares a transaction, `workspace` knows rows,
`chunk` is what one transaction takes, `aside` what is not counted, `patience` knows when to give up.
"""
