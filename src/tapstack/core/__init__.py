"""The decisions: pure functions of values. No I/O, clock, randomness, environment or logging."""
