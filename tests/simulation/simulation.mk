# Included by the root Makefile.
.PHONY: simulate mutants

SEEDS ?= 10000

simulate: $(READY) ## run the simulation; SEEDS=10000 by default
	$(BIN)/tapstack simulate --seeds $(SEEDS) --jobs 2 $(ARGS)

mutants: $(READY) ## remove each guard of the product in turn; the simulation must notice
	$(BIN)/python -m tests.simulation.mutants $(ARGS)
