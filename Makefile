# Everything that a person or CI does here. `make` alone lists it.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: help setup build demo demo-stop test bench-proxy ci fmt lint samples docs

XTASK := cargo run --quiet --locked --package xtask --

help: ## list what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

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
	@tools/setup.sh demo
	@$(XTASK) build
	@$(XTASK) samples
	cargo test --workspace --exclude tests --locked
	cargo test --package tests --locked -- --test-threads 6

bench-proxy: ## measure bellrock-proxy beside nginx and haproxy, which are started for it and ended again
	@tools/setup.sh bench
	cargo build --release --locked --package proxy --package bench
	@cargo run --quiet --release --locked --package bench -- proxy

ci: ## what CI runs: .ci/run
	@.ci/run

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
