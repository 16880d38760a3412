"""Tapstack: a private clickstream pipeline that loses nothing and counts every event exactly once."""

__version__ = "0.1.0"  # as in pyproject.toml; a Lambda package has no metadata to ask (tested)
