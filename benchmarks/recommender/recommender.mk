# The recommender beside others, on recorded visits. Included by the Makefile; an environment of its own, since
# the peers bring numpy and scipy.
.PHONY: bench-recommender

REC_VENV := .venv-recommender
REC_READY := $(REC_VENV)/.ready

$(REC_READY): $(READY) benchmarks/recommender/requirements.lock
	$(PYTHON) -m venv --clear $(REC_VENV)
	$(BIN)/uv pip install --quiet --python $(REC_VENV)/bin/python --no-deps --require-hashes -r benchmarks/recommender/requirements.lock
	@touch $@

# TAPSTACK_RECORDING names the recording; ARGS=--json, --only, --validate.
bench-recommender: $(REC_READY) ## compare the recommender with others on recorded visits
	PYTHONPATH=src $(REC_VENV)/bin/python -m benchmarks.recommender $(ARGS)
