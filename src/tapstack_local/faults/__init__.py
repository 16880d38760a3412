"""Faults of the embedded cloud: `plan` says how often; `invalid_records` shares the stream."""
