"""Projections: derived rows, folded from the journal. One file a projection; `project` is the recipe."""
