# The functions' zips, as lib/tap_stack.tf takes them. Included by the Makefile.
.PHONY: package

ARCH ?= arm64
PY ?= 3.13

package: $(READY) ## build dist/*.zip for Lambda (ARCH=arm64|x86_64, PY=3.11 or later)
	$(BIN)/tapstack package --arch $(ARCH) --python $(PY) $(ARGS)
