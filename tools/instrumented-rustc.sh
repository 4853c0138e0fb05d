#!/bin/sh
# What `cargo xtask coverage` has cargo run in rustc's place for our own crates (RUSTC_WORKSPACE_WRAPPER): the code
# counts how often each of its regions runs. Crates of others are built as ever, and shared with every other build.
# Not every build of LLVM's tools reads compressed names; nobody debugs these programs.
exec "$@" -C instrument-coverage -C llvm-args=--enable-name-compression=false -C debuginfo=0
