# The front door: each target does what it says and installs what it needs first. Meson does the building.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.PHONY: all demo test lint asan tsan musl bench install clean python-needed

PREFIX ?= /usr/local
DESTDIR ?=
BUILD ?= build

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
	@tools/run-suites build-asan unit system

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

bench: all
	@$(call need,to compare mplog with other loggers,$(PEERS)) || true
	@tools/bench $(BUILD) $(BENCH)

install: all
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir '$(DESTDIR)')

clean:
	@rm -rf build build-asan build-tsan build-musl build-clang
