"""The embedded cloud: the whole pipeline on one machine."""
