# Everything that a person or CI does here. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
BENCHES := bench-restart bench-deploy bench-swap bench-memory bench-package bench-proxy-restart
.PHONY: help setup build demo demo-stop test test-faults test-otp test-vm simulate coverage bench-appup bench-dist bench-hot bench-plan bench-proxy ci \
	fuzz-smoke fmt lint samples docs soak chaos $(BENCHES)

XTASK := cargo run --quiet --locked --package xtask --

help: ## list what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## install what building, testing and the demo need (asks before; as root at once)
	@tools/setup.sh all

build: ## build bellrock, bellrockd, bellrock-proxy and bellrock-shim into target/bellrock/bin
	@tools/setup.sh rust
	@$(XTASK) build

demo: ## a daemon and a sample app in .demo/: deploy, deploy, roll back, activate; stays running
	@tools/setup.sh demo
	@$(XTASK) demo

demo-stop: ## stop what make demo left running
	@$(XTASK) demo-stop

test: ## all tests, those with real releases included
	@tools/setup.sh all
	@$(XTASK) build
	@$(XTASK) samples
	cargo test --workspace --exclude tests --locked
	cargo test --package tests --locked -- --test-threads 6

test-faults: ## the long tests in full: every change under load, every fault at every point, with each strategy (an hour)
	@tools/setup.sh demo
	@$(XTASK) build
	@$(XTASK) samples
	BELLROCK_TEST_ALL=1 cargo test --package simulator --locked
	BELLROCK_TEST_ALL=1 cargo test --package host --locked --test lowering generated
	BELLROCK_TEST_ALL=1 cargo test --package tests --locked -- --test-threads 6 traffic::matrix faults

test-otp: ## the tests that need a node on OTP 27 and 29, which are fetched from Debian into a cache (five minutes)
	@tools/setup.sh demo
	@$(XTASK) test-otp

test-vm: ## limits, OOM kills, reboots and power cuts in virtual machines with a kernel of their own (half an hour or more)
	@tools/setup.sh vm
	@$(XTASK) test-vm

bench-proxy: ## measure bellrock-proxy beside nginx and haproxy, which are started for it and ended again
	@tools/setup.sh bench
	cargo build --release --locked --package proxy --package bench-proxy
	@cargo run --quiet --release --locked --package bench-proxy -- run

bench-dist: ## our own distribution beside native nodes: calls, terms, the busiest of 100,000 processes
	@tools/setup.sh demo
	@$(XTASK) bench --no-build dist

bench-hot: ## hot upgrades: our install beside OTP's release_handler, planning of 3,000 modules, and a full deployment
	@tools/setup.sh demo
	@$(XTASK) samples
	@$(XTASK) bench hot

bench-plan: ## the planner of hot upgrades on its corpus: what it calls hot and would break, what it refuses without need
	@tools/setup.sh demo
	@cargo test --quiet --locked --package upgrade --test plan_corpus -- --nocapture nothing_that_breaks

BELLROCK_OTP ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/bellrock-otp/27/root/usr/lib/erlang
bench-appup: ## the planner on OTP's own applications, beside their appups (the second OTP is what make test-otp fetches)
	@tools/setup.sh demo
	@cargo run --quiet --locked --package upgrade --example otp_appups -- /usr/lib/erlang $(BELLROCK_OTP)

SEED ?= 1
STEPS ?= 1000000
simulate: ## a million turns of the engine in a simulated host, from SEED on (STEPS=… SEED=…)
	cargo run --quiet --release --locked --package simulator -- --seed $(SEED) --steps $(STEPS)

coverage: ## the lines of engine and journal that no test reaches, which may be 1 % at most
	@tools/setup.sh coverage
	@$(XTASK) coverage

ci: ## what CI runs: .ci/run
	@.ci/run

FUZZ_SECONDS ?= 10
fuzz-smoke: ## drive every fuzz target with random inputs, FUZZ_SECONDS=10 each
	cargo run --quiet --locked --package fuzz --bin fuzz-smoke -- $(FUZZ_SECONDS)

fmt: ## format the code
	cargo fmt --all

lint: ## formatting, clippy and our own checks, without changing anything
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	@$(XTASK) tidy
	@$(XTASK) docs --check

samples: ## build the sample applications into target/samples
	@tools/setup.sh demo
	@$(XTASK) samples

docs: ## write the generated references in docs/reference/ anew
	@$(XTASK) docs

bench-restart: ## crash to serving again, beside the bare boot, runit and s6
bench-deploy: ## a full deployment of three places, beside three bare boots at once
bench-swap: ## a release swapped back and forth under 10 ms polls and 16 kept connections: nothing may be lost
bench-memory: ## memory of daemon and shims at rest and after a flood, beside runit and s6
bench-package: ## a package of 100 MB: verify, unpack, link
bench-proxy-restart: ## the proxy killed: how soon a client is answered again

$(BENCHES): bench-%:
	@tools/setup.sh bench
	@$(XTASK) samples
	@$(XTASK) bench $*

soak: ## 100 deployments and 10,300 crashes: nothing may grow (a quarter of an hour)
	@tools/setup.sh demo
	@$(XTASK) samples
	@$(XTASK) bench soak

chaos: ## 100 deployments under load while daemon, proxy and app are killed: no request may be lost (ten minutes)
	@tools/setup.sh demo
	@$(XTASK) samples
	@$(XTASK) bench chaos
