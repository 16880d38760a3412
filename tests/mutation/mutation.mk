# Included by the root Makefile.
.PHONY: mutation

mutation: $(READY) ## change the code everywhere, one place at a time; the unit tests must notice (ARGS="core aws")
	$(BIN)/python -m tests.mutation $(ARGS)
