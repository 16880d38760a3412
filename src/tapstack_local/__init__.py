"""The embedded cloud: the whole pipeline on one machine, and the simulation of it."""
