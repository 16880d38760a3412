# Included by the root Makefile.
.PHONY: producer-crash-test

producer-crash-test: $(READY) ## kill a producer with a journal 200 times, and compare what it was told with the tables (KILLS=, SEED=)
	$(BIN)/python -m pytest -q -s -n0 tests/producer/test_embedded_crashes.py $(ARGS)
