"""Tapstack: a private clickstream pipeline that loses nothing and counts every event exactly once."""
