"""The product with one guard removed at a time, as patches applied in memory; the simulation must notice."""
