# Real clients against the emulator. Included by the Makefile; installs what `make test` does not.
.PHONY: emulator-clients

CLIENTS := .tapstack/emulator-clients

emulator-clients: $(READY) ## run SDKs of other languages against the emulator (installs them from npm and PyPI)
	npm install --silent --no-audit --no-fund --prefix $(CLIENTS) @aws-sdk/client-kinesis@3
	$(BIN)/python -m venv $(CLIENTS)/venv
	$(CLIENTS)/venv/bin/python -m pip install --quiet --disable-pip-version-check aiobotocore
	$(BIN)/python -m pytest -q -n0 tests/emulator/test_clients.py $(ARGS)
