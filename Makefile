# The front door: `make` runs what CI runs, `make help` lists the rest.

export CLIPPY_CONF_DIR := .ci
PYTHON := target/python
SPARK := target/spark
# musl where its target is installed, else glibc, which links statically too.
MUSL = $(shell uname -m)-unknown-linux-musl
TARGET = $(or $(filter $(MUSL),$(shell rustup target list --installed 2>/dev/null)),$(shell uname -m)-unknown-linux-gnu)

.PHONY: check
check: lint test ## lint and test (the default)

.PHONY: build
build: ## the program, target/release/destination-aws-datalake
	cargo build --release --locked

.PHONY: static
static: ## the program without shared libraries, for an image FROM scratch
	RUSTFLAGS="-C target-feature=+crt-static" cargo build --release --locked --target $(TARGET)

.PHONY: size
size: static ## how large the static program is
	ls -l target/$(TARGET)/release/destination-aws-datalake

.PHONY: test
test: $(PYTHON)/ready $(if $(shell command -v java),$(SPARK)/ready) ## every test; the servers they need are set up under target/
	cargo test --locked --no-fail-fast

.PHONY: lint
lint: ## formatting and clippy, warnings as errors
	cargo fmt --check
	cargo clippy --locked --all-targets -- -D warnings

.PHONY: bench
bench: ## how fast rows are made, in release
	cargo bench --locked

.PHONY: demo
demo: build ## a sync of fixtures/faker into target/demo/lake, and what it wrote
	@.ci/demo

.PHONY: clean
clean: ## removes target
	rm -rf target

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

# The other people's tools that the tests run against, made once per list of versions.
$(PYTHON)/ready: tests/requirements.txt
# Spark is half a gigabyte, and of use only where there is Java.
$(SPARK)/ready: tests/spark.txt

$(PYTHON)/ready $(SPARK)/ready:
	rm -rf $(@D)
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@
