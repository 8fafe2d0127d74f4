# Millrace: build, test, check. "make" lists the targets.

SHELL := /bin/bash
MAKEFLAGS += --no-print-directory
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run build deps test test-analytics test-people test-sdk deps-sdk race fuzz bench bench-gateway bench-queries bench-people faultlab faultlab-full faultlab-controls faultlab-soak check FORCE gates fmt format vet lint tidy vuln clean

GO ?= go
# Options of "make run", "make bench-gateway" and the fault lab, such as ARGS='--role ingest'.
ARGS ?=
# How long "make faultlab-soak" goes on.
MINUTES ?= 30
# Events of "make bench-queries".
ROWS ?= 5000000
# Users of "make bench-people".
USERS ?= 2000000
# How many random data sets "make test-analytics" and "make test-people" compare answers on.
SEEDS ?= 60
# How long "make fuzz" runs each fuzz target, and of which packages.
FUZZTIME ?= 20s
FUZZPKGS ?= ./...
# Which benchmarks "make bench" runs, of which packages, how often.
BENCH ?= .
BENCHPKGS ?= ./schema/... ./broker/... ./ingest/... ./pipeline/... ./sink/... ./bench/...
BENCHCOUNT ?= 1

# The tools are pinned in a module of their own, so that the product's go.mod stays short. The Go command builds and caches them.
TOOL := $(GO) tool -modfile=tools/go.mod
VERSION := github.com/millrace/millrace/cmd/internal/version
# Go files that are tracked or new, without those deleted a moment ago.
GOFILES = $(wildcard $(shell git ls-files -co --exclude-standard -- '*.go'))
# Packages without tests of their own are not worth a line.
TERSE := { grep -v '\[no test files\]' || true; }

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-17s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: deps build ## start everything on this machine; ARGS='--role ingest' passes options
	@exec bin/millrace serve $(ARGS)

build: ## compile bin/millrace (static, reproducible)
	@$(call compile,bin/millrace,)

# compile makes a program ($(1)) with build tags ($(2)).
define compile
set -euo pipefail; flags='-s -w'; \
	commit=$$(git rev-parse --verify -q HEAD || true); \
	if [ -n "$$commit" ]; then \
		flags+=" -X $(VERSION).Date=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd)"; \
		[ -z "$$(git status --porcelain)" ] || commit+=+dirty; \
		flags+=" -X $(VERSION).Commit=$$commit"; \
	fi; \
	tag=$$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null || true); \
	[ -z "$$tag" ] || flags+=" -X $(VERSION).Version=$${tag#v}"; \
	CGO_ENABLED=0 $(GO) build -trimpath -tags '$(2)' -ldflags "$$flags" -o $(1) ./cmd/millrace
endef

deps: ## fetch modules, the ClickHouse engine, the database of countries and the SDKs that tests use (once)
	@$(GO) mod download
	@cmd/internal/embedded/clickhouse/libchdb/install.sh >/dev/null
	@cmd/internal/countries/install.sh >/dev/null
	@set -euo pipefail; cd test/e2e/sdk; \
	if ! cmp -s package-lock.json node_modules/.installed-lock; then \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
		cp package-lock.json node_modules/.installed-lock; \
	fi

# The longest come first, so that all processors have something to do until the end.
LONGEST := ./sink/audit ./cmd/internal/custom ./schema/clickhouse/question ./sink ./test/e2e ./people/segment ./people/erase
test: deps build ## run all tests, also those of the whole with real engines
	@echo '== test'
	@set -o pipefail; $(GO) test -timeout 9m $(LONGEST) ./... | $(TERSE)

# The tests of the whole run another binary, which the detector does not see.
race: ## run the tests with the race detector, the ring on one, two and four processors
	@echo '== race'
	@set -o pipefail; MILLRACE_TEST_SEEDS=2 $(GO) test -race -timeout 15m $$($(GO) list ./... | grep -v /test/) | $(TERSE)
	@$(GO) test -race -timeout 9m -cpu=1,2,4 ./pipeline/ring

fuzz: ## run every fuzz target for FUZZTIME (20s)
	@set -euo pipefail; \
	for package in $$($(GO) list $(FUZZPKGS) | grep -v /test/); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | { grep '^Fuzz' || true; }); do \
			echo "== fuzz $$package $$target"; \
			$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) $$package; \
		done; \
	done

test-analytics: deps build ## every view and question against brute force on SEEDS data sets, the query API, the demo's queries, escape attempts
	@echo '== test-analytics'
	@set -o pipefail; MILLRACE_TEST_SEEDS=$(SEEDS) MILLRACE_TEST_LONG=1 $(GO) test -count=1 -timeout 20m -v ./schema/clickhouse/question/... ./schema/clickhouse/access/... ./schema/clickhouse/promote \
		./query ./cmd/internal/custom ./cmd/internal/demo ./cmd/internal/connect | grep -vE '^(=== |PASS$$|\s*--- PASS|\s*[0-9/]+ [0-9:]+ INFO|\?)'

test-people: deps build ## identities, profiles, segments and erasures against brute force, every question with merged identities, the real SDK
	@echo '== test-people'
	@set -o pipefail; { \
		MILLRACE_TEST_SEEDS=$$(($(SEEDS) * 50)) $(GO) test -count=1 -timeout 9m -v ./people/identity ./people/profile && \
		MILLRACE_TEST_SEEDS=$(SEEDS) MILLRACE_TEST_LONG=1 $(GO) test -count=1 -timeout 20m -v ./people ./people/segment ./people/erase ./people/api ./cmd/internal/erased ./schema/clickhouse/question ./bench/people && \
		$(GO) test -count=1 -timeout 9m -v -run 'Erased' ./pipeline ./sink && \
		MILLRACE_TEST_LONG=1 $(GO) test -count=1 -timeout 9m -v -run 'TestPeople' ./test/e2e; \
	} | grep -vE '^(=== |PASS$$|\s*--- PASS|\s*[0-9/]+ [0-9:]+ INFO|\?)'

test-sdk: deps deps-sdk ## the real SDKs of Segment, PostHog, RudderStack, Amplitude, Mixpanel and Jitsu; ARGS=-update writes the table into docs/sdks.md
	@echo '== test-sdk'
	@set -o pipefail; MILLRACE_TEST_SDK=1 $(GO) test -count=1 -timeout 20m -parallel 4 -v ./test/sdk $(ARGS) | grep -avE '^(\s*=== |PASS$$|\s*--- PASS)'

deps-sdk: ## fetch what "make test-sdk" needs: packages of npm and PyPI, Chromium (once)
	@set -euo pipefail; cd test/sdk; \
	for program in node npm python3; do command -v $$program >/dev/null || { echo "test-sdk needs $$program: install Node 20.20 or later and Python 3.10 or later"; exit 1; }; done; \
	if ! cmp -s package-lock.json node_modules/.installed-lock; then \
		npm ci --ignore-scripts --no-audit --no-fund --loglevel=error; \
		cp package-lock.json node_modules/.installed-lock; \
	fi; \
	if ! cmp -s requirements.txt .venv/.installed; then \
		rm -rf .venv; \
		python3 -m venv .venv || { echo 'python3 cannot make a virtual environment: apt-get install python3-venv'; exit 1; }; \
		.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.txt; \
		cp requirements.txt .venv/.installed; \
	fi; \
	if ! command -v "$${CHROMIUM:-/usr/bin/chromium}" >/dev/null; then \
		echo 'installing Chromium'; \
		{ apt-get update >/dev/null && apt-get install -y --no-install-recommends chromium >/dev/null; } || { echo 'there is no Chromium and apt-get cannot install it: install it, or set CHROMIUM to where it is'; exit 1; }; \
	fi

bench-people: build ## identities, dictionary, person of events, segments: time, CPU and memory, under 10 minutes; USERS=2000000
	@bin/millrace bench people --users $(USERS) $(ARGS)

bench-queries: build ## latency and CPU of twelve questions beside a naive schema, under 10 minutes; ROWS=20000000
	@bin/millrace bench queries --rows $(ROWS) $(ARGS)

bench: ## run the benchmarks; BENCH, BENCHPKGS and BENCHCOUNT choose
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(BENCHCOUNT) $(BENCHPKGS)

bench-gateway: build ## CPU per event of the gateway beside a null handler and a naive service, some 3 minutes; ARGS='--batch 100'
	@bin/millrace bench compare $(ARGS)

# A build that can be told to stop at a named step, or to leave a protection out. Never ship it.
bin/millrace-failpoints: FORCE
	@$(call compile,$@,failpoints)
FORCE:

faultlab: deps bin/millrace-failpoints ## kill, freeze and cut a whole stack in 15 ways, under 20 minutes; ARGS='--seed 7 --only zombie'
	@bin/millrace-failpoints faultlab run $(ARGS)

faultlab-full: deps bin/millrace-failpoints ## every kind of fault, some 75 minutes
	@bin/millrace-failpoints faultlab run --suite full $(ARGS)

faultlab-controls: deps bin/millrace-failpoints ## the same with one protection switched off at a time: the damage must be seen
	@bin/millrace-failpoints faultlab controls $(ARGS)

faultlab-soak: deps bin/millrace-failpoints ## random faults for MINUTES (30)
	@bin/millrace-failpoints faultlab soak --minutes $(MINUTES) $(ARGS)

check: test gates ## everything that must pass before a change goes in

gates: ## all of check but the tests; at the end the tree is as it was
	@set -euo pipefail; \
	before=$$(git status --porcelain); \
	for gate in fmt vet lint race tidy; do $(MAKE) $$gate; done; \
	echo '== clean tree'; \
	after=$$(git status --porcelain); \
	if [ "$$before" != "$$after" ]; then \
		echo 'the gates have changed files (git status before and after):'; \
		diff <(echo "$$before") <(echo "$$after") || true; \
		exit 1; \
	fi; \
	echo 'all gates passed'

fmt: ## report files that "make format" would change
	@echo '== format'
	@set -euo pipefail; bad=$$($(TOOL) gofumpt -l $(GOFILES)); \
	if [ -n "$$bad" ]; then echo 'not formatted, run make format:'; echo "$$bad"; exit 1; fi

format: ## format all Go files with gofumpt
	@$(TOOL) gofumpt -l -w $(GOFILES)

vet: ## run go vet
	@echo '== vet'
	@$(GO) vet ./...

lint: ## run golangci-lint; the first time builds it, which takes minutes
	@echo '== lint'
	@$(TOOL) golangci-lint run ./...

tidy: ## check that go.mod and go.sum are exactly what the code needs
	@echo '== tidy'
	@$(GO) mod tidy -diff

vuln: ## look for known vulnerabilities (asks the network, so it is not part of check)
	@$(TOOL) govulncheck ./...

clean: ## remove what was built; data and downloads stay
	@rm -rf bin
