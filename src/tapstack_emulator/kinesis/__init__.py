"""Kinesis Data Streams: in memory, and over HTTP."""
