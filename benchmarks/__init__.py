"""Benchmarks: one command each, ``python -m benchmarks.NAME [--json]``.

Each ends with one JSON object ``{name, figures, peers, ratios, machine}``. Ratios are against a peer or
a floor measured in the same run, since machines are noisy.
"""
