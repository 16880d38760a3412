"""Declared attributes: what a file says is to be kept of users, items and so on, beside what is always kept.

`definitions` are the types of such a file, `reading` reads and checks its text, `prediction` says what a row
costs; `told` is what an event says, `conditions` which events count, `aggregations` what is kept of them;
`stored` is what rows hold, and `states` folds events into it and reads values from it.
"""
