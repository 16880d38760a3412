"""`tapstack load`: requests that are due by the clock, whatever the answers, and how long each took."""
