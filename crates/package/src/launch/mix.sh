#!/bin/sh
# Runs the release @NAME@ as its own script does, but with no cookie on a command line: a node reads it from
# $HOME/.erlang.cookie. `start`; `eval EXPRESSION` in a VM of its own; `rpc EXPRESSION` in the running node.
# Made by Bellrock for a script that mix release has written.
set -e

fail () {
  echo "$0: $1" >&2
  exit 1
}

RELEASE_ROOT=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
export RELEASE_ROOT
RELEASE_NAME=${RELEASE_NAME:-@NAME@}
export RELEASE_NAME
RELEASE_VSN=${RELEASE_VSN:-"$(cut -d' ' -f2 "$RELEASE_ROOT/releases/start_erl.data")"}
export RELEASE_VSN
RELEASE_COMMAND=$1
export RELEASE_COMMAND
RELEASE_PROG=${RELEASE_PROG:-@NAME@}
export RELEASE_PROG

REL_VSN_DIR=$RELEASE_ROOT/releases/$RELEASE_VSN
home=$HOME
flags=$ERL_AFLAGS
cookie=$(cat "$HOME/.erlang.cookie") || fail "needs the app's cookie in \$HOME/.erlang.cookie"
# Not exported: nothing that env.sh runs has it in its environment.
RELEASE_COOKIE=$cookie
# shellcheck disable=SC1091
. "$REL_VSN_DIR/env.sh"

[ "$HOME" = "$home" ] || fail "env.sh sets HOME, where the node looks for its cookie; say launch = \"script\""
if [ "$RELEASE_COOKIE" != "$cookie" ]; then
  # One that env.sh says counts, as it does for the release's own script.
  (umask 377 && printf %s "$RELEASE_COOKIE" >"$HOME/.erlang.cookie.$$")
  mv -f "$HOME/.erlang.cookie.$$" "$HOME/.erlang.cookie"
fi
unset RELEASE_COOKIE
# What env.sh says in its place comes after what holds the distribution to its address.
case " $ERL_AFLAGS " in
  *" $flags "*) ;;
  *) export ERL_AFLAGS="$flags $ERL_AFLAGS" ;;
esac

export RELEASE_MODE="${RELEASE_MODE:-embedded}"
export RELEASE_NODE="${RELEASE_NODE:-$RELEASE_NAME}"
export RELEASE_TMP="${RELEASE_TMP:-$RELEASE_ROOT/tmp}"
export RELEASE_VM_ARGS="${RELEASE_VM_ARGS:-$REL_VSN_DIR/vm.args}"
export RELEASE_REMOTE_VM_ARGS="${RELEASE_REMOTE_VM_ARGS:-$REL_VSN_DIR/remote.vm.args}"
export RELEASE_DISTRIBUTION="${RELEASE_DISTRIBUTION:-sname}"
export RELEASE_BOOT_SCRIPT="${RELEASE_BOOT_SCRIPT:-start}"
export RELEASE_BOOT_SCRIPT_CLEAN="${RELEASE_BOOT_SCRIPT_CLEAN:-start_clean}"

@VM_ARGS@
# Config providers write what they have read into a copy.
sys_config () {
  RELEASE_SYS_CONFIG=${RELEASE_SYS_CONFIG:-$REL_VSN_DIR/sys}
  if grep -q "RUNTIME_CONFIG=true" "$RELEASE_SYS_CONFIG.config"; then
    copy=$RELEASE_TMP/$RELEASE_NAME-$RELEASE_VSN-$RELEASE_COMMAND-$$.runtime
    mkdir -p "$RELEASE_TMP"
    cat "$RELEASE_SYS_CONFIG.config" >"$copy.config" || fail "could not write $copy.config"
    RELEASE_SYS_CONFIG=$copy
  fi
  export RELEASE_SYS_CONFIG
}

# The word of the option that gives a node its name; nothing for a node without one.
names () {
  case $RELEASE_DISTRIBUTION in
    none) ;;
    name | sname) echo "--$RELEASE_DISTRIBUTION" ;;
    *) fail "RELEASE_DISTRIBUTION must be sname, name or none, not $RELEASE_DISTRIBUTION" ;;
  esac
}

names=$(names)
case $1 in
  start)
    sys_config
    vm_args=$(vm_args "$RELEASE_VM_ARGS")
    set -- ${names:+"$names" "$RELEASE_NODE"} \
      --erl "@ERL@" \
      --erl-config "$RELEASE_SYS_CONFIG" \
      --boot "$REL_VSN_DIR/$RELEASE_BOOT_SCRIPT" \
      --boot-var RELEASE_LIB "$RELEASE_ROOT/lib" \
      --vm-args "$vm_args" --no-halt
    ;;
  eval)
    sys_config
    vm_args=$(vm_args "$RELEASE_VM_ARGS")
    set -- --erl-config "$RELEASE_SYS_CONFIG" \
      --boot "$REL_VSN_DIR/$RELEASE_BOOT_SCRIPT_CLEAN" \
      --boot-var RELEASE_LIB "$RELEASE_ROOT/lib" \
      --vm-args "$vm_args" --eval "$2"
    ;;
  rpc)
    # No other node on the host has this process's number.
    set -- --hidden ${names:+"$names" "rpc-$$-$RELEASE_NODE"} \
      --boot "$REL_VSN_DIR/$RELEASE_BOOT_SCRIPT_CLEAN" \
      --boot-var RELEASE_LIB "$RELEASE_ROOT/lib" \
      --rpc-eval "$RELEASE_NODE" "$2"
    if [ -f "$RELEASE_REMOTE_VM_ARGS" ]; then
      vm_args=$(vm_args "$RELEASE_REMOTE_VM_ARGS")
      set -- --vm-args "$vm_args" "$@"
    fi
    ;;
  *)
    fail "expected start, eval EXPRESSION or rpc EXPRESSION"
    ;;
esac
exec "$REL_VSN_DIR/elixir" "$@"
