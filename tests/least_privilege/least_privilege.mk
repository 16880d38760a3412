# The functions' rights, held against what they do, and the pipeline on the applied stack. Included by
# tests/infrastructure/infra.mk. What is shown here is shown on an emulator only.
.PHONY: least-privilege infra-joined

JOINED := build/joined
JOINED_EVENTS ?= 20000
THIS_ARCH := $(if $(filter aarch64 arm64,$(shell uname -m)),arm64,x86_64)
THIS_PY = $(shell $(BIN)/python -c 'import sys; print("%d.%d" % sys.version_info[:2])')

least-privilege: $(READY) ## run the pipeline on the rendered stack; every call allowed, every right used
	$(BIN)/python -m pytest tests/least_privilege $(if $(filter least-privilege,$(MAKECMDGOALS)),$(ARGS))

infra-test: least-privilege

# The functions' zips are built for this machine, the stack is applied with them, the pipeline runs on what was
# applied with crashes, lost answers and throttling, and its calls are held against the applied policies.
infra-joined: $(READY) $(INFRA_READY) ## apply the whole stack to a local emulator and run the pipeline on it
	mkdir -p $(JOINED)
	$(BIN)/tapstack package --arch $(THIS_ARCH) --python $(THIS_PY) --output $(JOINED)
	cd tests && ../$(INFRA_BIN)/python -m infrastructure.joined ../$(JOINED)/state.json package_dir=$(CURDIR)/$(JOINED)
	$(BIN)/tapstack local --stack $(JOINED)/state.json --packages $(JOINED) --calls $(JOINED)/calls.json \
	  --faults many --events $(JOINED_EVENTS) --rate max --port 0 --exit $(ARGS)
	TAPSTACK_STACK=$(CURDIR)/$(JOINED)/state.json TAPSTACK_PACKAGES=$(CURDIR)/$(JOINED) \
	  TAPSTACK_CALLS=$(CURDIR)/$(JOINED)/calls.json $(BIN)/python -m pytest tests/least_privilege
