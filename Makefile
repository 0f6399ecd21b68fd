# Beside the tests (`pytest`) and the pipeline (`snakemake`).
PYTHON ?= .venv/bin/python

.PHONY: docs torture
docs: # build/docs/index.html, warnings are errors; half a minute, the examples are run
	rm -rf docs/examples # made from examples/
	$(PYTHON) -m sphinx -q -W --keep-going -d build/doctrees docs build/docs

torture: # the figures of docs/reliability.md, some ten minutes on two cores
	OMP_NUM_THREADS=1 $(PYTHON) tests/torture.py $(PARTS)
