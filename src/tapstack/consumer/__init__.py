"""Records of the stream become rows, exactly once.

`consume` is the recipe; `records` parses, `packing` plans, `row_cache` knows rows as they were last seen,
`transaction` folds as many events as one takes, `dead_letters` keeps what is not counted, and `retry_budget`
bounds how long all of it goes on.
"""
