"""Records of the stream become rows, exactly once.

`consume` is the recipe; `records` parses, `row_cache` knows rows as they were last seen, `transaction` counts
as many events as fit on its `user_rows` and makes the journal's `entry` of them, `dead_letters` keeps what is
not counted.
"""
