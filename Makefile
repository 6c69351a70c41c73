# make demo    see it work here, with nothing installed
# make test    everything that the tests can show on this machine
# make rig     the sendmail of each MTA that Debian packages; WHAT="exim dma" for some; part of make test
# make soak    half an hour of everything at random, and an account of every recipient at the end (tests/soak)
# make slow    whatever takes longer than make test may, some hours; WHAT="soak faults" for some parts (tests/slow)
# make fuzz    the parsers, each for ten minutes (fuzz/; needs a nightly toolchain and cargo-fuzz)
# make bench   ratios to what this machine can do (see tests/bench/ratios.rs); AGAINST=REV: to another commit's program
# make order   src/start.ld anew, for what a start runs through now (needs valgrind)
# make         build; then, as root: make install

PREFIX ?= /usr/local
DESTDIR ?=
CARGO ?= cargo

# The C library is linked in, because loading it is a fifth of the time that queueing one message takes, and all at fixed
# addresses, because relocating is a fifth of the time that the program takes to start. Functions that each start runs
# through lie together (src/start.ld; the linker runs in this folder), which is a fifth of a submission's time. A program so
# built loads no NSS module: users and hosts that are in no file and not in DNS are asked of getent(1) (src/sys/nss.rs). It
# needs the archives of glibc 2.34 or later; 'make STATIC=' links it as usual.
STATIC ?= yes
ifneq ($(STATIC),)
triple = $(shell rustc --version --verbose | sed -n 's/^host: //p')
flags = --target $(triple)
build bench: export RUSTFLAGS := $(RUSTFLAGS) -C target-feature=+crt-static -C relocation-model=static \
	-C link-arg=-Wl,-T,src/start.ld
endif

target = $(or $(CARGO_TARGET_DIR),target)
bin = $(target)/release/bulkmailer
share = $(DESTDIR)$(PREFIX)/share
doc = $(share)/doc/bulkmailer

.PHONY: build demo test rig soak slow fuzz bench order lint man install clean

build:
	$(CARGO) build --release --locked $(flags)
ifneq ($(STATIC),)
	install -D -m 0755 $(target)/$(triple)/release/bulkmailer $(bin)
endif

demo: build
	$(bin) demo

test:
	tests/setup
	$(CARGO) test --locked --all-features
	set -e; for script in tests/*/run; do [ ! -x "$$script" ] || "$$script"; done

rig:
	tests/setup
	tests/rig/run $(WHAT)

# SEED=N plays one again; a failure prints its own.
soak: DURATION ?= 1800
soak:
	SOAK_SECONDS=$(DURATION) SOAK_SEED="$(SEED)" $(CARGO) test --locked --all-features --test soak -- --nocapture

slow:
	tests/setup
	CARGO="$(CARGO)" WHAT="$(WHAT)" DURATION="$(DURATION)" TIMES="$(TIMES)" SEED="$(SEED)" tests/slow "$(abspath $(target))"

# What it finds besides the seeds stays in fuzz/corpus, where the next time begins.
fuzz: TIME ?= 600
fuzz:
	set -e; for target in $$(cd fuzz/targets && ls *.rs | sed 's/\.rs$$//'); do \
		mkdir -p fuzz/corpus/$$target; \
		$(CARGO) +nightly fuzz run --fuzz-dir fuzz $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(TIME) -max_len=4096 -verbosity=0 -print_final_stats=1; \
	done

# The other program is built first, so that a name that is none is known at once.
bench:
	@set -e; other=; \
	[ -z "$(AGAINST)" ] || other=$$(CARGO="$(CARGO)" tests/bench/other "$(AGAINST)" "$(abspath $(target))" $(flags)); \
	AGAINST="$$other" WHAT="$(WHAT)" QUICK="$(QUICK)" DISK="$(DISK)" LIMITS="$(LIMITS)" $(CARGO) bench --locked $(flags) --bench ratios

# The next build uses the new order.
order: build
	tests/bench/start_order $(bin) >$(target)/start.ld
	mv $(target)/start.ld src/start.ld
	touch src/main.rs

lint:
	$(CARGO) fmt --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps --quiet

# The committed man/bulkmailer.1 and man/bulkmailer.toml.5, anew from the definitions of the command line, the declared keys
# and the prose in their .d, and the sample configuration.
man:
	$(CARGO) run --locked --quiet -- generate man man
	$(CARGO) run --locked --quiet -- generate config contrib

install:
	@test -x $(bin) || { echo "$(bin) is not built yet: run 'make' first" >&2; exit 1; }
	install -D -m 0755 $(bin) $(DESTDIR)$(PREFIX)/bin/bulkmailer
	install -D -m 0644 man/bulkmailer.1 $(share)/man/man1/bulkmailer.1
	install -D -m 0644 -t $(share)/man/man5 man/bulkmailer.toml.5 man/bulkmailer-spool.5 man/bulkmailer-hosts.5 \
		man/bulkmailer-transports.5 man/bulkmailer-bounces.5
	install -D -m 0644 man/bulkmailer-merge.7 $(share)/man/man7/bulkmailer-merge.7
	$(bin) generate completions $(target)/completions
	install -D -m 0644 $(target)/completions/bulkmailer.bash $(share)/bash-completion/completions/bulkmailer
	install -D -m 0644 $(target)/completions/_bulkmailer $(share)/zsh/site-functions/_bulkmailer
	install -D -m 0644 $(target)/completions/bulkmailer.fish $(share)/fish/vendor_completions.d/bulkmailer.fish
	install -D -m 0644 -t $(doc) README.md CHANGELOG.md LICENSE
	cd contrib && for file in * */* */*/* */*/*/*; do \
		[ -f $$file ] || continue; \
		install -D -m "$$(stat -c %a $$file)" $$file $(abspath $(doc))/$$file; \
		sed 's|/usr/local/bin|$(PREFIX)/bin|' $$file > $(abspath $(doc))/$$file; \
	done

clean:
	$(CARGO) clean
