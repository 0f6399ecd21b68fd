# Tasks beside the tests (run `pytest`) and the pipeline (run `snakemake`).
PYTHON ?= .venv/bin/python

.PHONY: docs torture
docs: # writes build/docs/index.html; a warning is an error; runs the examples, which takes half a minute
	rm -rf docs/examples # these pages are made from examples/
	$(PYTHON) -m sphinx -q -W --keep-going -d build/doctrees docs build/docs

torture: # measures the figures of docs/reliability.md; takes some ten minutes on two cores
	OMP_NUM_THREADS=1 $(PYTHON) tests/torture.py $(PARTS)
