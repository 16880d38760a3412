"""Operators: everything people and autoscalers do to a running pipeline, at bad moments.

`schedule` draws which action happens when. The actions: `stream` (records, keys and shards), `mappings`
(parameters and positions of event source mappings), `deployments` (the function's settings and permissions),
`clocks` (days that pass, clocks that are wrong), `redrive` (dead letters are sent again).
"""
