"""Every small change of the code, one at a time, by a tool; the part's unit tests must notice."""
