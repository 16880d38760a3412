"""Faults of the embedded cloud: `plan` says how often; `foreign_writer` shares the stream."""
