# superd: build, install, test. GNU make; `make help` lists what there is.
#
# Needed: Rust (see rust-version in Cargo.toml), make, a C compiler (only as a linker, and for the
# tests' and the benchmark's helpers). Cargo fetches the crates of Cargo.lock. Else nothing is installed or fetched
# but by `make install` (into PREFIX), `make test`, `make bench` and `make soak` (packages of the originals, unpacked
# below target/peers).

PREFIX ?= /usr/local
DESTDIR ?=
SBIN = $(DESTDIR)$(PREFIX)/sbin
BIN = $(DESTDIR)$(PREFIX)/bin
LIBEXEC = $(DESTDIR)$(PREFIX)/libexec/superd
MAN = $(DESTDIR)$(PREFIX)/share/man
# The guides; and below it what is to be copied to its place in /etc: the init script, fail2ban's filter.
DOC = $(DESTDIR)$(PREFIX)/share/doc/superd
EXAMPLES = $(DOC)/examples
# What stands in sbin beside superd, and in bin for everybody; generic names (smtpd, imapd) stay in libexec.
SBIN_LINKS = superd-rules superd-rulescheck superd-relay
BIN_LINKS = superd-passwd
MAN_PAGES = $(wildcard man/*.1 man/*.5 man/*.7 man/*.8)
# Pages that are another one's: page and where it is to be found, in section 8.
MAN_LINKS = checkapoppw:checkpw selectcheckpw:checkpw

CARGO ?= cargo
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
RUST_HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p')
# Root, who installs what somebody else has built, may have no rustc on PATH. Then what has been built tells for what.
built = $(notdir $(patsubst %/release/$(1),%,$(firstword $(wildcard $(TARGET_DIR)/$(2)*/release/$(1)))))
HOST := $(or $(RUST_HOST),$(call built,superd-nss,nss/),$(call built,superd))
# A static program of musl starts five times as fast as one of glibc, so musl it is where its target
# is installed. Nothing depends on which it is.
MUSL := $(subst -gnu,-musl,$(HOST))
RUST_TARGET = $(if $(wildcard $(shell rustc --print sysroot 2>/dev/null)/lib/rustlib/$(MUSL)/lib),$(MUSL),$(HOST))
TARGET ?= $(if $(RUST_HOST),$(RUST_TARGET),$(call built,superd))
# Static, and not position-independent: both are start-up time of every program that superd runs.
export RUSTFLAGS := -C target-feature=+crt-static -C relocation-model=static $(RUSTFLAGS)
# Examples in the documentation are compiled by rustdoc, which does not look at RUSTFLAGS.
export RUSTDOCFLAGS := $(RUSTFLAGS)
# The target is always named, though it is the host's: without it Cargo gives RUSTFLAGS to
# procedural macros too, and those cannot be static.
CARGO_FLAGS = --locked --target $(TARGET)
SUPERD = $(TARGET_DIR)/$(TARGET)/release/superd

# superd-nss is the one dynamic program: it calls the C library's own NSS, libcrypt and, where that is there,
# PAM. So it has flags and a directory of its own, and no other cargo command may include it.
NSS_DIR = $(TARGET_DIR)/nss
NSS = $(NSS_DIR)/$(HOST)/release/superd-nss
# Taken out and not switched off: rustc links statically where any flag says so. What is left must not be empty, or
# Cargo takes the flags of .cargo/config.toml; the model that is named is the one that rustc has anyway.
NSS_CARGO = env RUSTFLAGS="-C relocation-model=pic $(subst -C target-feature=+crt-static,,$(subst -C relocation-model=static,,$(RUSTFLAGS)))" $(CARGO)
NSS_FLAGS = --locked --target $(HOST) --target-dir $(NSS_DIR)
# Sets $$crypt and $$pam to what there is to link with, and says what there is not.
links = echo 'int main(void) { return 0; }' | cc -x c - $(1) -o $(NSS_DIR)/links 2>/dev/null
nss_parts = mkdir -p $(NSS_DIR); crypt=; pam=; if $(call links,-lcrypt); then crypt=yes; \
	if $(call links,-l:libpam.so.0); then pam="--features pam"; else echo "superd-nss: without PAM, for there is no libpam.so.0"; fi; \
	else echo "superd-nss: left out, for there is no libcrypt to link with"; fi
export SUPERD_NSS := $(abspath $(NSS))

# Absolute: Cargo runs tests in the folder of their package.
export SUPERD_PEERS := $(abspath target/peers)
export SUPERD_LEFT_OUT := $(abspath target/left-out)
MANDOC = $(SUPERD_PEERS)/bin/mandoc
FUZZ_SECONDS ?= 60
# The benchmark: which parts (see bench/run); its size: rounds, connections a turn, lines of rules to compile, POP3
# logins a turn, messages of the large mailbox (SMALL=1: small ones), messages a turn by SMTP; a folder with qmail-popup
# and qmail-pop3d; the home of a qmail.
PARTS ?= all
ROUNDS ?= 5
TOTAL ?= 4000
RULES ?= 1000000
LOGINS ?= 2000
MAILBOX ?= 100000
SMALL ?=
MESSAGES ?= 1000
BENCH_C_CHAIN ?=
BENCH_QMAIL ?=
# The sets of tests of whole programs (tests/NAME), and the crates whose unit tests belong to each: make test T=smtp.
CRATES_superd = superd-server lookup rules dns recordio splogger
CRATES_smtp = smtpd lmtpd maildir-queue rblsmtpd smtp nexthop delivery blocklist
CRATES_pop3 = popup pop3d login wire maildir
CRATES_imap = imapup imapd imap mime
CRATES_auth = authd checkpassword superd-passwd auth sasl accounts chain privsep record
CRATES_relay = relay relay-store
CRATES_tools = kit os directions
SETS = superd smtp pop3 imap auth relay tools
FUZZ_TARGETS = $(basename $(notdir $(wildcard fuzz/fuzz_targets/*.rs)))

# Cargo uses all cores by itself, and the order of the checks is the order of their output.
.NOTPARALLEL:
.PHONY: build help tools install uninstall test test-set peers check-format check-lints check-docs check-spelling check-fuzz check-programs check-man \
	check-rules left-out demo demo-check bench soak fuzz clean

build: tools
	@echo "building superd for $(TARGET), static"
	@$(CARGO) build --release $(CARGO_FLAGS) --package superd
	@echo "built $(SUPERD)"
	@$(nss_parts); if [ "$$crypt" ]; then echo "building superd-nss, dynamic" && \
		$(NSS_CARGO) build --release $(NSS_FLAGS) --package superd-nss $$pam; else rm -f $(NSS); fi

help:
	@echo "make              build $(SUPERD)"
	@echo "make install      install below $(PREFIX) (PREFIX=, DESTDIR=); make uninstall takes it away"
	@echo "make test         all checks: format, lints, tests beside the originals, man pages, sample rules"
	@echo "make test T=smtp  the tests of one set: $(SETS)"
	@echo "make demo         run the demonstration; make demo-check runs it as a test"
	@echo "make bench        compare speed with tcpserver, Dovecot, Postfix (PARTS=smtp, MAILBOX=20000: see bench/README.md)"
	@echo "make soak         the long tests"
	@echo "make fuzz         each fuzz target for $(FUZZ_SECONDS) s (FUZZ_SECONDS=)"
	@echo "make clean        remove what was built and fetched"

# Saying what is missing beats the error of whatever would run first: an old cargo speaks of edition2024, and not of
# the version that is wanted. In Debian 12 the two packages take the place of cargo and rustc, under the same names.
RUST_WANTED := $(shell sed -n 's/^rust-version = "\(.*\)"$$/\1/p' Cargo.toml)
RUST_IS_IN = in Debian 12 it is in the packages cargo-web and rustc-web, elsewhere rustup installs it
tools:
	@for tool in $(CARGO) rustc; do \
		command -v $$tool >/dev/null || \
			{ echo "superd is built with Rust $(RUST_WANTED) or later, and there is no $$tool on PATH: $(RUST_IS_IN)" >&2; exit 1; }; \
		version=$$($$tool -V 2>/dev/null | sed -n '1s/^[a-z]* \([0-9][^ ]*\).*/\1/p'); \
		[ "$$(printf '%s\n' $(RUST_WANTED) "$$version" | sort -V | head -n 1)" = $(RUST_WANTED) ] || \
			{ echo "superd is built with Rust $(RUST_WANTED) or later, and $$tool is $${version:-none that tells its version}: $(RUST_IS_IN)" >&2; exit 1; }; \
	done
	@command -v cc >/dev/null || { echo "Rust needs a C compiler to link with: there is no cc on PATH" >&2; exit 1; }
	@test -n "$(HOST)" || { echo "rustc -vV does not tell the host's target" >&2; exit 1; }

install:
	@test -x $(SUPERD) || { echo "$(if $(TARGET),$(SUPERD),superd) is not built: run make first" >&2; exit 1; }
	@echo "installing below $(DESTDIR)$(PREFIX)"
	@mkdir -p $(SBIN) $(BIN) $(LIBEXEC)
	@# By way of a new file and a rename: a running superd cannot be overwritten, and need not be stopped.
	@# Not to be read: nobody may then look into a process of it that runs as himself, see relay-ctrl-chdir(8).
	@cp $(SUPERD) $(SBIN)/.superd.new && chmod 711 $(SBIN)/.superd.new && mv -f $(SBIN)/.superd.new $(SBIN)/superd
	@for name in $(SBIN_LINKS); do ln -sf superd $(SBIN)/$$name; done
	@for name in $(BIN_LINKS); do ln -sf ../sbin/superd $(BIN)/$$name; done
	@$(program_names) | while read -r name; do ln -sf ../../sbin/superd $(LIBEXEC)/$$name; done
	@if [ -x $(NSS) ]; then new=$(LIBEXEC)/.superd-nss.new && \
		cp $(NSS) $$new && chmod 755 $$new && mv -f $$new $(LIBEXEC)/superd-nss; fi
	@for page in $(MAN_PAGES); do \
		section=$(MAN)/man$${page##*.}; mkdir -p $$section && cp $$page $$section/ && chmod 644 $$section/$${page##*/} || exit 1; \
	done
	@for link in $(MAN_LINKS); do ln -sf $${link#*:}.8 $(MAN)/man8/$${link%:*}.8; done
	@mkdir -p $(EXAMPLES)/fail2ban
	@mkdir -p $(DOC)/guides $(DOC)/formats
	@cp CHANGES LICENSE $(DOC)/ && cp docs/*.md $(DOC)/ && cp docs/guides/*.md $(DOC)/guides/ && \
		cp docs/formats/*.md $(DOC)/formats/ && cp init/superd $(EXAMPLES)/ && cp init/fail2ban/* $(EXAMPLES)/fail2ban/
	@chmod 644 $(DOC)/*.md $(DOC)/guides/*.md $(DOC)/formats/*.md $(DOC)/CHANGES $(DOC)/LICENSE $(EXAMPLES)/fail2ban/* && chmod 755 $(EXAMPLES)/superd

# Removes what install puts there, also what an older version had put there: the links that lead to superd.
uninstall:
	@echo "removing superd from $(DESTDIR)$(PREFIX)"
	@for link in $(LIBEXEC)/*; do if [ "$$(readlink $$link)" = ../../sbin/superd ]; then rm $$link; fi; done
	@rm -f $(LIBEXEC)/superd-nss
	@rmdir $(LIBEXEC) 2>/dev/null || true
	@rm -f $(SBIN)/superd $(addprefix $(SBIN)/,$(SBIN_LINKS)) $(addprefix $(BIN)/,$(BIN_LINKS))
	@for link in $(MAN_LINKS); do rm -f $(MAN)/man8/$${link%:*}.8; done
	@for page in $(MAN_PAGES); do rm -f $(MAN)/man$${page##*.}/$${page##*/}; done
	@rm -f $(addprefix $(DOC)/,CHANGES LICENSE $(patsubst docs/%,%,$(wildcard docs/*.md docs/*/*.md))) $(EXAMPLES)/superd \
		$(addprefix $(EXAMPLES)/fail2ban/,$(notdir $(wildcard init/fail2ban/*))) \
		$(addprefix $(DOC)/,$(notdir $(wildcard docs/*/*.md))) # where they were before there were folders
	@rmdir $(DOC)/guides $(DOC)/formats 2>/dev/null || true
	@rmdir -p $(EXAMPLES)/fail2ban 2>/dev/null || true

# The executable knows its programs: it makes links for all but those of sbin and bin, here in a directory
# that is thrown away, for links that work in a DESTDIR must be relative.
program_names = ( dir=$$(mktemp -d) && $(SUPERD) --links $$dir >/dev/null && \
	for name in $(SBIN_LINKS) $(BIN_LINKS); do rm -f $$dir/$$name; done && ls $$dir && rm -r $$dir )

target:
	@mkdir -p $@

# T counts only where it is said to make: it is a name that an environment may well have.
ifeq ($(origin T),command line)
test: peers test-set
else
# One after the other, and how long each took.
TEST_PARTS = build peers check-format check-lints check-docs check-spelling check-fuzz check-programs check-man check-rules \
	demo-check left-out
test:
	@took=; for part in $(TEST_PARTS); do \
		begin=$$(date +%s); $(MAKE) --no-print-directory $$part || exit 1; took="$$took $$part $$(($$(date +%s) - begin)) s,"; \
	done; echo "took:$${took%,}"
	@echo "all tests passed"
endif

# Unit tests first, with the programs that those of popup and imapup run, which Cargo leaves out where targets are chosen.
test-set: | target
	@[ "$(CRATES_$(T))" ] || { echo "there is no set of tests called $(T): there are $(SETS)" >&2; exit 1; }
	@echo "running the tests of $(T)"
	@RUST_TEST_THREADS=4 timeout 1800 $(CARGO) test --quiet $(CARGO_FLAGS) $(addprefix --package ,$(CRATES_$(T)))
	@RUST_TEST_THREADS=4 timeout 1800 $(CARGO) test $(CARGO_FLAGS) --package superd --test $(T)

peers: | target
	@rm -f $(SUPERD_LEFT_OUT)
	@sh tests/peers.sh $(SUPERD_PEERS)
	@if [ -s $(SUPERD_PEERS)/MISSING ] && [ "$(SUPERD_REQUIRE_PEERS)$(filter true,$(CI))" ] && [ -e /etc/debian_version ]; then \
		echo "the originals above are required here" >&2; exit 1; fi

# rustfmt and clippy are components that a minimal installation of Rust lacks. The tests do not need
# them, so that is said and not held against the machine; where CI is, they are required.
component = $(CARGO) $(1) --version >/dev/null 2>&1 || { echo "$(2)" | tee -a $(SUPERD_LEFT_OUT); \
	[ -z "$(SUPERD_REQUIRE_PEERS)" ]; exit; }

check-format: | target
	@$(call component,fmt,format of the sources: this Rust has no rustfmt); \
		echo "checking the format of the sources" && $(CARGO) fmt --all --check

check-lints: | target
	@$(call component,clippy,lints: this Rust has no clippy); \
		echo "checking lints" && $(CARGO) clippy --quiet $(CARGO_FLAGS) --workspace --exclude superd-nss --all-targets -- -D warnings && \
		{ $(nss_parts) >/dev/null; [ -z "$$crypt" ] || \
		$(NSS_CARGO) clippy --quiet $(NSS_FLAGS) --package superd-nss $$pam --all-targets -- -D warnings; }

# The documentation of the crates, with its links: a reader follows them.
# Links to private items are followed, too: what is documented here is for those who work on it.
check-docs: export RUSTDOCFLAGS += -D warnings -A rustdoc::private-intra-doc-links
check-docs:
	@echo "checking the documentation of the crates"
	@$(CARGO) doc --quiet $(CARGO_FLAGS) --no-deps --document-private-items --workspace --exclude superd-nss

# Words that codespell takes for misspelt and that are right here stand in docs/words.
SPELLED = README.md CONTRIBUTING.md SECURITY.md CHANGES bench/README.md docs man init/superd
check-spelling: | target
	@if command -v codespell >/dev/null; then echo "checking the spelling of the documentation" && \
		codespell --ignore-words docs/words $(SPELLED); \
	else echo "spelling: there is no codespell" >>$(SUPERD_LEFT_OUT); fi

# A fuzz target that no longer fits what it feeds would be noticed by nobody else. Running them is `make fuzz`.
check-fuzz: export RUSTFLAGS = --cfg fuzzing
check-fuzz: | target
	@if command -v c++ >/dev/null; then echo "checking the fuzz targets" && $(CARGO) check --quiet --locked \
		--manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target $(HOST); \
	else echo "fuzz targets: the engine is C++ and there is no c++" >>$(SUPERD_LEFT_OUT); fi

# Most of what the tests do is waiting, so more of them run at once than there are cores. Building them
# and running them takes minutes; half an hour means that something hangs. No choice of targets: with one
# Cargo does not build the programs that the tests of popup and imapup run.
check-programs: | target
	@echo "running the tests"
	@$(nss_parts) >>$(SUPERD_LEFT_OUT); [ -z "$$crypt" ] || { \
		timeout 600 $(NSS_CARGO) test $(NSS_FLAGS) --package superd-nss $$pam && \
		timeout 600 $(NSS_CARGO) test $(NSS_FLAGS) --package os $${pam:---features nss} --lib -- nss:: pam::; }
	@RUST_TEST_THREADS=4 timeout 1800 $(CARGO) test $(CARGO_FLAGS) --workspace --exclude superd-nss

check-man: | target
	@if [ -x $(MANDOC) ]; then echo "checking the man pages" && $(MANDOC) -T lint -W warning $(MAN_PAGES); \
	else echo "man pages: no mandoc to check them with" >>$(SUPERD_LEFT_OUT); fi

# Every sample that the project ships or documents must pass its own checker.
check-rules:
	@echo "checking the sample rules"
	@rm -rf target/links && mkdir -p target/links && $(SUPERD) --links target/links >/dev/null
	@for file in $$(find docs init tests -name '*.rules'); do \
		target/links/superd-rules --check <$$file || { echo "$$file: does not pass" >&2; exit 1; }; done

left-out:
	@if [ -s $(SUPERD_LEFT_OUT) ]; then echo "left out on this machine:"; sort -u $(SUPERD_LEFT_OUT) | sed 's/^/    /'; \
	else echo "nothing was left out"; fi

demo: build
	@SUPERD=$(abspath $(SUPERD)) sh init/demo

demo-check: build
	@SUPERD=$(abspath $(SUPERD)) sh init/demo --check

bench: build peers
	@PARTS="$(PARTS)" ROUNDS=$(ROUNDS) TOTAL=$(TOTAL) RULES=$(RULES) LOGINS=$(LOGINS) MAILBOX=$(MAILBOX) SMALL=$(SMALL) \
		MESSAGES=$(MESSAGES) BENCH_C_CHAIN=$(BENCH_C_CHAIN) BENCH_QMAIL=$(BENCH_QMAIL) sh bench/run $(SUPERD) $(SUPERD_PEERS)/bin

soak: build peers
	@echo "running the long tests"
	@SUPERD_SOAK=1 $(CARGO) test --release $(CARGO_FLAGS) --workspace --exclude superd-nss soak_ -- --nocapture

# What cargo-fuzz does, in two commands, so that nothing must be installed for it (but libFuzzer is
# C++: a c++ is needed). No sanitizer: the code is safe Rust, and its panics are what is looked for.
# What is found stands in fuzz/artifacts; what was tried in fuzz/corpus, and is where the next run begins.
fuzz: export RUSTFLAGS = --cfg fuzzing -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 \
	-C llvm-args=-sanitizer-coverage-inline-8bit-counters -C llvm-args=-sanitizer-coverage-pc-table \
	-C llvm-args=-sanitizer-coverage-trace-compares -C debug-assertions -C codegen-units=1
fuzz: tools
	@command -v c++ >/dev/null || { echo "the fuzzer's engine is C++: there is no c++ on PATH (package g++)" >&2; exit 1; }
	@echo "building the fuzz targets"
	@$(CARGO) build --release --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target $(HOST)
	@failed=; for target in $(FUZZ_TARGETS); do \
		echo "fuzzing $$target for $(FUZZ_SECONDS) s"; \
		mkdir -p fuzz/corpus/$$target fuzz/artifacts/$$target; \
		target/fuzz/$(HOST)/release/$$target fuzz/corpus/$$target -max_total_time=$(FUZZ_SECONDS) -timeout=10 \
			-artifact_prefix=fuzz/artifacts/$$target/ -verbosity=0 -print_funcs=0 || failed="$$failed $$target"; \
	done; \
	[ -z "$$failed" ] || { echo "failed:$$failed (the inputs stand in fuzz/artifacts)" >&2; exit 1; }
	@echo "no target failed"

clean:
	@echo "removing what was built and fetched"
	@rm -rf target fuzz/target
