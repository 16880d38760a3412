"""Whether every accepted event is counted exactly once: what ought to be in the tables, against what is.

`checker` compares what `ledger` folds with what `tables` reads back; it shares no code with the pipeline.
"""
