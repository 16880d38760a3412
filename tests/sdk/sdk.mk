# Real SDKs against `tapstack local`. Included by the Makefile; installs what `make test` does not.
.PHONY: sdk-test

SDK := .tapstack/sdk
SDK_PIP = $(BIN)/uv pip install --quiet --python

sdk-test: $(READY) ## each SDK of another product sends 1,000 events (installs them from PyPI and npm; without npm, those are skipped)
	mkdir -p $(SDK)/node $(SDK)/node-old
	$(BIN)/python -m venv $(SDK)/python && $(SDK_PIP) $(SDK)/python/bin/python -r tests/sdk/requirements.txt
	$(BIN)/python -m venv $(SDK)/python-old && $(SDK_PIP) $(SDK)/python-old/bin/python -r tests/sdk/requirements-old.txt
	if command -v npm > /dev/null; then cp tests/sdk/package.json $(SDK)/node && npm install --silent --no-audit --no-fund --prefix $(SDK)/node; fi
	if command -v npm > /dev/null; then cp tests/sdk/package-old.json $(SDK)/node-old/package.json && npm install --silent --no-audit --no-fund --prefix $(SDK)/node-old; fi
	$(BIN)/python -m pytest -q -n0 tests/sdk $(ARGS)
