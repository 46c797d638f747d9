# The front door: each target does what it says and installs what it needs first. Meson does the building.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := all
.PHONY: all python wheel demo test hosts lint asan tsan musl arm64 fuzz bench torture mutants install clean

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
	/usr/sbin/rsyslogd:rsyslog \
	$(foreach p,concurrent-log-handler portalocker loguru structlog logbook,\
	/usr/lib/python3/dist-packages/$(subst -,_,$(p))*:python3-$(p))
# What mplog is run inside of by `make hosts`, as /usr/bin/python3 has it.
PACKAGES := /usr/lib/python3/dist-packages
QUICK_HOSTS := $(PACKAGES)/gunicorn:python3-gunicorn $(PACKAGES)/_pytest:python3-pytest \
	$(PACKAGES)/xdist:python3-pytest-xdist $(PACKAGES)/gevent:python3-gevent
HOSTS := $(QUICK_HOSTS) $(PACKAGES)/celery:python3-celery $(PACKAGES)/django:python3-django \
	$(PACKAGES)/uvicorn:python3-uvicorn $(PACKAGES)/uvloop:python3-uvloop $(PACKAGES)/joblib:python3-joblib \
	$(PACKAGES)/eventlet:python3-eventlet
TEST_TOOLS := clang:clang spin:spin musl-gcc:musl-tools g++:g++ valgrind:valgrind ps:procps \
	/usr/lib/python3.11/test/test_logging.py:libpython3.11-testsuite mypy:mypy \
	/usr/share/i18n/locales/tr_TR:locales $(PACKAGES)/uvloop:python3-uvloop $(QUICK_HOSTS)

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

# gunicorn, Celery, Django, uvicorn, pytest, joblib, gevent, eventlet: mplog inside of them; HOST=gunicorn for one.
hosts: all
	@$(call need,to run mplog inside real hosts,$(HOSTS))
	@tools/test-hosts $(BUILD) $(HOST)

lint: all
	@tools/lint $(BUILD)

# The same tests under AddressSanitizer and UndefinedBehaviorSanitizer; those that measure stacks are left out.
asan:
	@$(call need,to build mplog,$(BUILD_TOOLS))
	@tools/configure build-asan -Db_sanitize=address,undefined
	@ninja -C build-asan
	@SLOWER=4 tools/run-suites build-asan unit threads fuzz
	@ASAN_OPTIONS=detect_leaks=0 SLOWER=4 tools/run-suites build-asan system # the command frees nothing before it ends

# Producers and collector as threads on one mapping: ThreadSanitizer is blind across mappings and processes.
tsan:
	@$(call need,to build mplog,$(BUILD_TOOLS))
	@tools/configure build-tsan -Db_sanitize=thread
	@ninja -C build-tsan
	@SLOWER=4 tools/run-suites build-tsan threads unit

musl:
	@$(call need,to build mplog with musl,$(BUILD_TOOLS) musl-gcc:musl-tools)
	@tools/configure build-musl --cross-file tools/musl.ini
	@ninja -C build-musl
	@tools/run-suites build-musl unit system

# Built for arm64 and run by an emulator: shows that it works there, and nothing about the order in which that CPU's
# cores see each other's memory (docs/memory-order.md). Without the conversions of iconv, whose modules are not there.
arm64:
	@$(call need,to build mplog for arm64 and run it,$(BUILD_TOOLS) aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu \
		/usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross qemu-aarch64:qemu-user)
	@tools/configure build-arm64 --cross-file tools/arm64.ini
	@ninja -C build-arm64
	@SLOWER=4 tools/run-suites build-arm64 unit threads fuzz

# SECONDS for each target of fuzz/, two at a time; TARGETS="record pattern" for some of them.
SECONDS ?= 600
TARGETS ?=
LIBFUZZER := /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*.a:libclang-rt-dev
fuzz:
	@$(call need,to build mplog and fuzz it,$(BUILD_TOOLS) clang:clang llvm-cov:llvm '$(LIBFUZZER)')
	@tools/fuzz --seconds '$(SECONDS)' $(TARGETS)

# About an hour; goes on where it was interrupted. TORTURE="--only PART --seed N ...", or --again: see tools/torture.
TORTURE ?=
torture:
	@$(call need,to build and test mplog,$(BUILD_TOOLS) $(TEST_TOOLS))
	@tools/configure $(BUILD) --prefix='$(PREFIX)'
	@ninja -C $(BUILD) --quiet
	@tools/torture $(BUILD) $(TORTURE)

# Mistakes planted in a copy of the code, one after the other: its tests must find each. MUTANTS="--only 19", --list.
MUTANTS ?=
mutants:
	@$(call need,to build and test mplog,$(BUILD_TOOLS) $(TEST_TOOLS) unshare:util-linux)
	@tools/need-headers /usr/bin/python3 python3-dev
	@tools/mutants $(BUILD) $(MUTANTS)

bench: all
	@$(call need,to compare mplog with other loggers,$(PEERS)) || true
	@tools/bench $(BUILD) $(BENCH)

install: all
	@meson install -C $(BUILD) --no-rebuild $(if $(DESTDIR),--destdir '$(DESTDIR)')

clean:
	@rm -rf build build-asan build-tsan build-musl build-arm64 build-clang build-fuzz build-coverage
