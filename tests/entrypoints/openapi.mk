# Schemathesis against both APIs. Included by the Makefile; installs what `make test` does not.
.PHONY: openapi-test

SCHEMATHESIS := .tapstack/schemathesis

openapi-test: $(READY) ## requests drawn from the OpenAPI documents: no 5xx, no undocumented answer (installs Schemathesis from PyPI)
	$(BIN)/python -m venv $(SCHEMATHESIS) && $(BIN)/uv pip install --quiet --python $(SCHEMATHESIS)/bin/python 'schemathesis==4.32.5'
	$(BIN)/python -m pytest -q -n0 tests/entrypoints/test_schemathesis.py $(ARGS)
