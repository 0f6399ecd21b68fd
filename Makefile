# Long measurements; the tests are `pytest`, the pipeline is `snakemake`.
PYTHON ?= .venv/bin/python

.PHONY: torture
torture: # the figures of docs/reliability.md, some ten minutes on two cores
	OMP_NUM_THREADS=1 $(PYTHON) tests/torture.py $(PARTS)
