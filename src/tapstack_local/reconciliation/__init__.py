"""Checks that every accepted event is counted exactly once: what should be in the tables, against what is.

`checker` compares what `accepted_events` folds with what `tables` reads back. It shares no code with the
pipeline.
"""
