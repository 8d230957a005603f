# The two commands that matter: `make run` and `make test`. Both do their own set-up.
VENV ?= .venv
PYTHON ?= python3
BIN := $(VENV)/bin
SECONDS ?=
WORKERS ?= $(shell expr $$(nproc) + 4)

.PHONY: run test campaigns whole emulated bare bench bench-node bench-radio bench-signals bench-energy bench-plan soak fate \
	fuzz lint images deb setup clean

run:
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)" run
	@$(BIN)/wayside demo $(if $(SECONDS),--seconds $(SECONDS))

# Beside each other, four more than there are processors: many wait. ARGS=-n0 for one after the other.
test: $(if $(ARGS),setup,emulated)
	@$(BIN)/pytest -n $(WORKERS) $(ARGS)

# What `make test` runs a share of, or leaves out, because it takes long: whole.
campaigns: $(if $(ARGS),setup,emulated)
	@$(BIN)/pytest --campaign -n $(WORKERS) $(ARGS)

# Both, each test once and whole.
whole: $(if $(ARGS),setup,emulated)
	@$(BIN)/pytest --whole -n $(WORKERS) $(ARGS)

# What the emulators run, by all processors before the tests, so that none waits for it: a part of the tests (ARGS)
# builds what it needs. The tests that need what cannot be built say so.
emulated: setup
	@$(BIN)/python tools/images.py RP2040_METER RP2040_SIGNAL >build-images.log || cat build-images.log
	@$(BIN)/python tools/stock_image.py >build-images.log || true
	@$(BIN)/python tools/arm_board.py >build-images.log || true
	@rm -f build-images.log

# Both commands in minimal roots of Debian 12 and 13 that have nothing but git and make, with a test of each folder; what
# `make campaigns` does there is less. Needs root.
bare: setup
	@WAYSIDE_BARE=1 $(BIN)/pytest --campaign tests/package/test_bare_machine.py $(ARGS)

# Each by one processor, so beside each other.
LINTS := ruff mypy pyright-firmware pyright-boards
.PHONY: $(LINTS)
lint: setup
	@$(MAKE) --no-print-directory --jobs=$$(nproc) --output-sync --keep-going $(LINTS)

ruff:
	@$(BIN)/ruff check .

mypy:
	@$(BIN)/mypy

pyright-firmware pyright-boards:
	@$(BIN)/pyright -p $(@:pyright-%=%)

# The readers of strangers' bytes; what is found stays in tests/attacks/corpus.
fuzz: setup
	@$(BIN)/python tools/fuzz.py $(or $(SECONDS),600)

# A day of the gateway among faults, in 20 minutes. ARGS='--hours 3 --seed 7' for another.
soak: setup
	@$(BIN)/python tools/soak.py $(ARGS)

# What fate and strangers do to the emulated board, with ever further seeds. ARGS='--seed 7 --steps 3' replays one step.
fate: setup
	@$(BIN)/python tools/images.py RP2040_METER
	@PYTHONPATH=gateway:firmware:hil $(BIN)/python -m wayside_hil.wayside.fate $(if $(SECONDS),--seconds $(SECONDS) --go-on) $(ARGS)

bench: setup
	@$(BIN)/python tools/bench.py

# The node's figures: on the emulated RP2040 and in the unix port's VM.
bench-node: setup
	@$(BIN)/python tools/bench_node.py

# Delay at signals, simulated: fixed plan, SUMO's actuated control, ours. ARGS='--seeds 2 --scenario grid' for less.
bench-signals: setup
	@$(BIN)/python tools/bench_signals.py $(ARGS)

# The energy core: overshoot after steps, set-points that turn back, time of a cycle. ARGS='--seeds 5' for less.
bench-energy: setup
	@$(BIN)/python tools/bench_energy.py $(ARGS)

# Forecasts, plans and diagnosis on data of others. ARGS='forecasts' for one of them, 'plans --sites 1 --days 100' for less.
bench-plan: setup
	@$(BIN)/python tools/bench_plan.py $(ARGS)

# Radios: bytes and airtime per reading, cost of a frame, a simulated cell.
bench-radio: setup
	@$(BIN)/python tools/bench_radio.py

images: setup
	@$(BIN)/python tools/images.py

# The gateway's Debian package, into dist/. ARCH=arm64 for a Raspberry Pi; any machine builds either.
deb: setup
	@$(BIN)/python tools/deb.py $(if $(ARCH),--arch $(ARCH))

# Virtual environment, pinned packages and the virtual board's MicroPython; a second call takes a moment.
setup:
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)" dev

clean:
	rm -rf $(VENV) build dist run
