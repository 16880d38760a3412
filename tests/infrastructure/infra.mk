# Checks of the Terraform stack. Included by the Makefile; each target does its own set-up.
.PHONY: infra-test infra-apply-local infra-lock

INFRA_VENV := .venv-infra
INFRA_BIN := $(INFRA_VENV)/bin
INFRA_READY := $(INFRA_VENV)/.ready
PYTHON ?= python3

$(INFRA_READY): requirements-uv.lock tests/infrastructure/requirements.lock
	$(PYTHON) -m venv --clear $(INFRA_VENV)
	$(INFRA_BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
	$(INFRA_BIN)/uv pip install --quiet --python $(INFRA_BIN)/python --require-hashes -r tests/infrastructure/requirements.lock
	@touch $@

infra-test: $(INFRA_READY) ## check the Terraform stack: fmt, validate, terraform test, checkov, parsed HCL
	$(INFRA_BIN)/python -m pytest -n 2 --dist worksteal --confcutdir=tests/infrastructure tests/infrastructure $(ARGS)

# ARGS='nat_gateway_mode=zonal then ip_target_port=9443': variables, and changes of them to the stack that is there.
infra-apply-local: $(READY) $(INFRA_READY) ## apply the whole stack to a local emulator, plan again, destroy it
	$(BIN)/tapstack package --output build/apply-local
	cd tests && ../$(INFRA_BIN)/python -m infrastructure.cycle package_dir=$(CURDIR)/build/apply-local $(ARGS)

infra-lock: $(INFRA_READY) ## lock the newest versions that requirements.in allows
	$(INFRA_BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url --upgrade \
	  tests/infrastructure/requirements.in -o tests/infrastructure/requirements.lock

-include tests/least_privilege/least_privilege.mk
