"""Operators: everything people and autoscalers do to a running pipeline, at bad moments.

`schedule` draws who does what and when. What may be done, by what it is done to: `stream` (its records, keys
and shards), `mappings` (event source mappings, their parameters and positions), `deployments` (the function's
code and permissions), `clocks` (days that pass, machines that show another time), `redrive` (what was set
aside is sent again).
"""
