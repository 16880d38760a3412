# The functions' zips, as lib/tap_stack.tf takes them, and the wheel. Included by the Makefile.
.PHONY: package wheel-test

ARCH ?= arm64
PY ?= 3.13

package: $(READY) ## build dist/*.zip for Lambda (ARCH=arm64|x86_64, PY=3.11 or later)
	$(BIN)/tapstack package --arch $(ARCH) --python $(PY) $(ARGS)

wheel-test: $(READY) ## build the wheel, install it without and with [local] into empty environments, run it
	$(BIN)/python -m pytest -n0 tests/wheel $(ARGS)
