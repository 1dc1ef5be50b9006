# Two commands on a bare Debian 12 with Swift: `make run` and `make test`. Both install the missing Debian packages.
.PHONY: all build build-tests run test check check-kernels bench format docs setup clean

# Everything is built once, optimised, and shared by run, test and bench.
CONFIGURATION := -c release
PROMPT ?= To be, or not
DEVICE ?=
ARGUMENTS ?=
SWIFT_SOURCES := Package.swift Sources Tests

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

check: setup
	swift format lint --strict --recursive $(SWIFT_SOURCES)
	bash Tools/check_layers.sh
	bash Tools/check_rules.sh

# Every kernel in oclgrind (some minutes); SUITES="AttentionTests CacheTests" runs only these.
check-kernels: build-tests
	bash Tools/check_kernels.sh $(SUITES)

bench: build
	"$$(swift build $(CONFIGURATION) --show-bin-path)/infer" bench $(if $(DEVICE),--device $(DEVICE)) $(ARGUMENTS)

format:
	swift format format --in-place --recursive $(SWIFT_SOURCES)

# API documentation of the library's modules, as symbol graphs that DocC renders.
docs: setup
	swift package dump-symbol-graph --minimum-access-level public --skip-synthesized-members

clean:
	swift package clean
