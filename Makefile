# Two commands: `make app` and `make test`. Everything else is for contributors.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check

# Which build of torch: GPU=1 or CPU=1 decides; otherwise Linux without an NVIDIA device gets the CPU build, a third of the size.
NVIDIA ?= $(wildcard /dev/nvidia[0-9]*) $(shell nvidia-smi -L 2>/dev/null | grep '^GPU')
ifdef GPU
TORCH := ordinary
else ifdef CPU
TORCH := cpu
else
TORCH := $(if $(strip $(NVIDIA)),ordinary,$(if $(filter Linux,$(shell uname -s)),cpu,ordinary))
endif

.PHONY: app test test-all check bench docs demo-run clean
app: $(VENV)/.installed
	$(BIN)/streamlit run app/Home.py

# Three keep two cores busy: a test in the browser waits a third of its time. Each takes up to 2 GB.
WORKERS ?= 3

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder -m "not slow"

test-all: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest tests/test_layers.py --durations=0

bench: $(VENV)/.installed
	$(BIN)/vitrm bench

docs: $(VENV)/.installed
	$(PIP) install -q -e .[docs]
	$(BIN)/mkdocs build --strict

demo-run: $(VENV)/.installed
	$(BIN)/vitrm train digits

clean:
	rm -rf $(VENV)

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "Python 3.11 or newer is needed; '$(PYTHON)' is not. Install it, or name it: make app PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "Python's venv module is missing. On Debian or Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

# Of its own, so that torch and torchvision are settled before the rest is; uv knows where the CPU build is kept.
$(VENV)/.torch: requirements.txt | $(VENV)/.python
ifeq ($(TORCH),cpu)
	@echo "Installing the CPU build of torch; for the one with NVIDIA's libraries: make clean, then make app GPU=1."
	@if ! { $(PIP) install -q uv && $(BIN)/python -m uv pip install -q --python $(BIN)/python --torch-backend cpu \
	  $$(sed -n 's/^\(torch[^ ]*\).*/\1/p' requirements.txt); } >$(VENV)/cpu-build.log 2>&1; then \
	  if [ -n "$(CPU)" ]; then cat $(VENV)/cpu-build.log; exit 1; fi; \
	  echo "The CPU build cannot be fetched here (why: $(VENV)/cpu-build.log), so the ordinary one is installed, about 6 GB."; \
	fi
endif
	@touch $@

$(VENV)/.installed: requirements.txt pyproject.toml | $(VENV)/.torch
	$(PIP) install -r requirements.txt
	$(PIP) install -q --no-deps -e .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	$(PIP) install -r requirements-dev.txt
	@touch $@
