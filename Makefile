# The front door: each target does what it says and installs what it needs first. Meson does the building.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.PHONY: all python wheel demo test lint asan tsan musl fuzz bench torture install clean

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build

# Debian's Python, and the one that comes first on the path.
PYTHONS := /usr/bin/python3 $(shell command -v python3)

# $(call need,what for,command:package ...): installs the packages whose commands are missing, or says how to.
need = tools/need '$(1)' $(2)
BUILD_TOOLS := cc:gcc meson:meson ninja:ninja-build pkg-config:pkg-config /usr/bin/python3:python3
# The loggers that mplog is measured beside. What cannot be installed is not measured, and the report says so.
PEERS := c++:g++ /usr/include/spdlog/spdlog.h:libspdlog-dev /usr/include/log4cplus/logger.h:liblog4cplus-dev \
	/usr/include/glog/logging.h:libgoogle-glog-dev /usr/include/boost/log/core.hpp:libboost-log-dev \
	/usr/include/*/lttng/tracepoint.h:liblttng-ust-dev lttng:lttng-tools /usr/include/qb/qblog.h:libqb-dev \
	/usr/sbin/rsyslogd:rsyslog
TEST_TOOLS := clang:clang spin:spin musl-gcc:musl-tools g++:g++ valgrind:valgrind ps:procps

all:
	@$(call need,to build mplog,$(BUILD_TOOLS))
	@tools/configure $(BUILD) --prefix='$(PREFIX)'
	@ninja -C $(BUILD)
	@tools/need-headers /usr/bin/python3 python3-dev
	@tools/build-pythons $(BUILD) $(PYTHONS)

# make python PYTHON=/path/to/python3.X: the package for one Python, in $(BUILD)/python-3.X.
python:
	@$(call need,to build mplog,$(BUILD_TOOLS))
	@tools/configure $(BUILD) --prefix='$(PREFIX)'
	@ninja -C $(BUILD) --quiet mplog libmplog.a
	@tools/build-python $(BUILD) $(or $(PYTHON),/usr/bin/python3)

# The package for /usr/bin/python3 as a file for pip.
wheel: all
	@/usr/bin/python3 tools/make-wheel $(BUILD)

demo: all
	@tools/demo $(BUILD)

test:
	@$(call need,to build and test mplog,$(BUILD_TOOLS) $(TEST_TOOLS))
	@tools/run-tests

lint: all
	@tools/lint $(BUILD)

# The same tests under AddressSanitizer and UndefinedBehaviorSanitizer.
asan:
	@$(call need,to build mplog,$(BUILD_TOOLS))
	@tools/configure build-asan -Db_sanitize=address,undefined
	@ninja -C build-asan
	@tools/run-suites build-asan unit system fuzz

# Producers and collector as threads on one mapping: ThreadSanitizer is blind across mappings and processes.
tsan:
	@$(call need,to build mplog,$(BUILD_TOOLS))
	@tools/configure build-tsan -Db_sanitize=thread
	@ninja -C build-tsan
	@tools/run-suites build-tsan threads

musl:
	@$(call need,to build mplog with musl,$(BUILD_TOOLS) musl-gcc:musl-tools)
	@tools/configure build-musl --cross-file tools/musl.ini
	@ninja -C build-musl
	@tools/run-suites build-musl unit system

# SECONDS for each target of fuzz/, two at a time; TARGETS="record pattern" for some of them.
SECONDS ?= 600
TARGETS ?=
LIBFUZZER := /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a:libclang-rt-dev
fuzz:
	@$(call need,to build mplog and fuzz it,$(BUILD_TOOLS) clang:clang '$(LIBFUZZER)')
	@tools/fuzz --seconds '$(SECONDS)' $(TARGETS)

# About an hour; goes on where it was interrupted. TORTURE="--only PART --seed N ...", or --again: see tools/torture.
TORTURE ?=
torture:
	@$(call need,to build and test mplog,$(BUILD_TOOLS) $(TEST_TOOLS))
	@tools/configure $(BUILD) --prefix='$(PREFIX)'
	@ninja -C $(BUILD) --quiet
	@tools/torture $(BUILD) $(TORTURE)

bench: all
	@$(call need,to compare mplog with other loggers,$(PEERS)) || true
	@tools/bench $(BUILD) $(BENCH)

install: all
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir '$(DESTDIR)')

clean:
	@rm -rf build build-asan build-tsan build-musl build-clang build-fuzz
