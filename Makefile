# Two commands on a bare Debian 12 with Swift: `make run` and `make test`. Both install the missing Debian packages.
.PHONY: all build build-tests build-bench run test test-clients test-soak test-durability check check-kernels check-neon check-amx \
	demo-retrieval bench bench-peers bench-report format docs setup clean

# Everything is built once, optimised, and shared by run, test and bench.
CONFIGURATION := -c release
PROMPT ?= To be, or not
DEVICE ?=
ARGUMENTS ?=
SUITES ?=
PEERS ?= llama transformers
BENCH_RESULTS ?= .build/bench
PEERS_PYTHON = $(or $(INFER_PEERS),$(HOME)/.cache/infer-bench-peers)/venv/bin/python
comma := ,
space := $(subst ,, )
SWIFT_SOURCES := Package.swift Sources Tests Benchmarks

all: build

setup:
	@bash Tools/setup.sh

build: setup
	swift build $(CONFIGURATION) --product infer

# DEVICE=cpu, opencl or opencl:N; MODEL and more flags through ARGUMENTS.
run: build
	@"$$(swift build $(CONFIGURATION) --show-bin-path)/infer" generate "$(PROMPT)" $(if $(DEVICE),--device $(DEVICE)) $(ARGUMENTS)

build-tests: setup
	swift build $(CONFIGURATION) --build-tests

# FILTER=Name runs the tests whose name matches. One test at a time: most use all cores by themselves, and PoCL 3.1 counts
# its kernels wrongly when several contexts come and go at once (an assertion in pocl_release_dlhandle_cache).
test: build-tests
	swift test $(CONFIGURATION) --skip-build --disable-xctest --no-parallel $(if $(FILTER),--filter $(FILTER))

# Clients from PyPI (openai, anthropic, langchain-openai, litellm, lm-eval, schemathesis) against a server with the bundled
# model, and the chat page in headless Chromium; clients are installed in a folder outside the repository (INFER_CLIENTS).
test-clients: build
	bash Tests/Clients/run.sh "$$(swift build $(CONFIGURATION) --show-bin-path)/infer" $(ARGUMENTS)

# 2,000 requests, 32 at a time, a third of them cut off: answers stay the same, nothing is left over, memory does not grow.
test-soak: build
	python3 Tests/Clients/soak.py "$$(swift build $(CONFIGURATION) --show-bin-path)/infer" $(ARGUMENTS)

# 200 kills in the middle of `infer index`, a full and a read-only disk (some minutes).
test-durability: build
	python3 Tools/check_durability.py "$$(swift build $(CONFIGURATION) --show-bin-path)/infer" $(ARGUMENTS)

# The project's documents indexed, five questions answered, every way of searching measured and drawn.
# EMBEDDER=, GENERATOR= and RERANKER= name models; without them words alone are searched and the bundled model answers.
demo-retrieval: build
	@EMBEDDER="$(EMBEDDER)" GENERATOR="$(GENERATOR)" RERANKER="$(RERANKER)" \
		bash Tools/demo-retrieval/run.sh "$$(swift build $(CONFIGURATION) --show-bin-path)/infer"

check: setup
	swift format lint --strict --recursive $(SWIFT_SOURCES)
	bash Tools/check_layers.sh
	bash Tools/check_rules.sh
	bash Tools/check_headers.sh
	bash Tools/check_walks.sh

# Every kernel in oclgrind (some minutes); SUITES="AttentionTests CacheTests" runs only these.
check-kernels: build-tests
	bash Tools/check_kernels.sh $(SUITES)

# The CPU kernels for 64-bit Arm, in an emulator.
check-neon:
	bash Tools/check_neon.sh

# The same cases as on a processor with AMX, whose instructions are emulated one by one.
check-amx:
	bash Tools/check_amx.sh

build-bench: setup
	swift build $(CONFIGURATION) --product bench
	swift build $(CONFIGURATION) --product infer

# Every suite but the comparisons, in under ten minutes on two cores. SUITES="latency ops" runs only those again.
bench: build-bench
	bash Benchmarks/run.sh "$$(swift build $(CONFIGURATION) --show-bin-path)/bench" $(BENCH_RESULTS) $(SUITES)

# Installs llama.cpp and transformers in a folder outside the repository (INFER_PEERS) and compares with them turn by turn.
# PEERS="transformers-compiled ctranslate2 onnxruntime openvino" names others; ARGUMENTS="--rounds 1 --models llama-135m" …
bench-peers: build-bench
	bash Benchmarks/peers/install.sh models $(if $(filter llama,$(PEERS)),llama) \
		$(patsubst openvino-sdpa,openvino,$(patsubst transformers-compiled,transformers,$(filter-out llama,$(PEERS))))
	mkdir -p $(BENCH_RESULTS) && rm -f $(BENCH_RESULTS)/peers.jsonl
	"$(PEERS_PYTHON)" Benchmarks/peers/compare.py --infer "$$(swift build $(CONFIGURATION) --show-bin-path)/infer" \
		--peers $(subst $(space),$(comma),$(strip $(PEERS))) --save $(BENCH_RESULTS)/peers.jsonl $(ARGUMENTS)

# Benchmarks/results/MACHINE-DATE.md and the README's section on speed from what the suites have kept; runs them first
# where nothing is there.
bench-report:
	@[ -d $(BENCH_RESULTS) ] || $(MAKE) bench
	bash Benchmarks/peers/install.sh report
	"$(PEERS_PYTHON)" Benchmarks/report.py $(BENCH_RESULTS) Benchmarks/results --readme README.md

format:
	swift format format --in-place --recursive $(SWIFT_SOURCES)

# The library's articles and API as a site in .build/docs, by the docc of the toolchain.
docs: setup
	swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members
	rm -rf .build/symbols && mkdir .build/symbols
	cp "$$(dirname "$$(swift build --show-bin-path)")"/symbolgraph/Inference*.json .build/symbols
	"$$(dirname "$$(realpath "$$(command -v swift)")")/docc" convert Sources/Inference/Inference.docc \
		--additional-symbol-graph-dir .build/symbols --output-path .build/docs \
		--fallback-display-name Inference --fallback-bundle-identifier infer.Inference

clean:
	swift package clean
