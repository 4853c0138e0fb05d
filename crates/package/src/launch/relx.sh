#!/bin/sh
# Runs the release @NAME@ as its own script does, but with no cookie on a command line: a node reads it from
# $HOME/.erlang.cookie. `start`, in the foreground; `rpc "MODULE [FUNCTION [ARGUMENTS]]"` in the running node.
# Made by Bellrock for a script that rebar3 has written.
set -e

fail () {
  echo "$0: $1" >&2
  exit 1
}

ROOTDIR=$(CDPATH='' cd "$(dirname "$0")" && pwd -P)
export ROOTDIR
export BINDIR="$ROOTDIR/erts-@ERTS@/bin"
export EMU=beam
export PROGNAME=erl
export LD_LIBRARY_PATH="$ROOTDIR/erts-@ERTS@/lib:$LD_LIBRARY_PATH"
export REL_NAME=@NAME@
export RELEASE_NAME=@NAME@
export RELEASE_VSN=@VERSION@
export RELEASE_PROG="$ROOTDIR/bin/"@NAME@
export ESCRIPT_NAME="${ESCRIPT_NAME-$RELEASE_PROG}"
export RUN_ERL_DISABLE_FLOWCNTRL="${RUN_ERL_DISABLE_FLOWCNTRL:-true}"
case $TERM in
  "" | dumb) export TERM=screen ;;
esac
# Always given by Bellrock.
# shellcheck disable=SC2153
export NAME="$RELEASE_NODE"
export RELEASE_TMP="${RELEASE_TMP:-$ROOTDIR/tmp}"
REL_DIR=$ROOTDIR/releases/$RELEASE_VSN

@VM_ARGS@
# Puts the environment in the place of ${NAME} and ${NAME:-default}.
replace () {
  RELEASE_COOKIE=$(cat "$HOME/.erlang.cookie") awk '{
    line = ""
    rest = $0
    while (match(rest, /[$][{][^}]*[}]/)) {
      name = substr(rest, RSTART + 2, RLENGTH - 3)
      otherwise = ""
      at = index(name, ":-")
      if (at) {
        otherwise = substr(name, at + 2)
        name = substr(name, 1, at - 1)
      }
      line = line substr(rest, 1, RSTART - 1) (ENVIRON[name] == "" ? otherwise : ENVIRON[name])
      rest = substr(rest, RSTART + RLENGTH)
    }
    print line rest
  }' "$1" >"$2.new" || fail "could not write $2.new"
  mv -f "$2.new" "$2"
}

# The path of a file of the release with the environment in it: made from its .src, else from the file itself, which is
# kept as .orig. The second argument is where it is when it is not the release's own.
rendered () {
  file=$2
  if [ -z "$file" ]; then
    file=$ROOTDIR/$1
    [ -f "$file" ] || file=$REL_DIR/$1
  fi
  if [ -f "$file.src" ]; then
    replace "$file.src" "$file"
  elif [ -n "$RELX_REPLACE_OS_VARS" ]; then
    [ -f "$file.orig" ] || cp "$file" "$file.orig"
    replace "$file.orig" "$file"
  elif [ -f "$file.orig" ]; then
    cp "$file.orig" "$file"
  fi
  echo "$file"
}

case $RELEASE_DISTRIBUTION in
  none | name | sname) ;;
  *) fail "RELEASE_DISTRIBUTION must be sname, name or none, not $RELEASE_DISTRIBUTION" ;;
esac
cd "$ROOTDIR"
case $1 in
  start)
    vm_args=$(rendered vm.args "$VMARGS_PATH")
    vm_args=$(vm_args "$vm_args")
    config=$(rendered sys.config "$RELX_CONFIG_PATH")
    boot=$REL_DIR/@NAME@
    [ -f "$boot.boot" ] || boot=$REL_DIR/start
    set -- -noinput +Bd \
      -boot "$boot" -mode "${CODE_LOADING_MODE:-embedded}" \
      -boot_var SYSTEM_LIB_DIR "$ROOTDIR/lib" \
      -config "$config" \
      -args_file "$vm_args"
    [ "$RELEASE_DISTRIBUTION" = none ] || set -- "$@" "-$RELEASE_DISTRIBUTION" "$RELEASE_NODE"
    [ -z "$ERL_DIST_PORT" ] || set -- "$@" -erl_epmd_port "$ERL_DIST_PORT" -start_epmd false
    exec "$BINDIR/erlexec" "$@" -- foreground
    ;;
  rpc)
    [ "$RELEASE_DISTRIBUTION" != none ] || fail "the node has no name and cannot be reached"
    # No other node on the host has this process's number.
    exec "$BINDIR/erlexec" -noinput -boot "$REL_DIR/start_clean" -mode interactive \
      -boot_var SYSTEM_LIB_DIR "$ROOTDIR/lib" \
      "-$RELEASE_DISTRIBUTION" "rpc-$$-$RELEASE_NODE" -hidden -dist_listen false \
      -eval '
        [Text] = init:get_plain_arguments(),
        {match, [M, F, A]} = re:run(Text, "^\\s*(\\S+)\\s*(\\S*)\\s*(.*?)\\s*$",
                                    [dotall, unicode, {capture, all_but_first, list}]),
        Or = fun("", Default) -> Default; (Said, _) -> Said end,
        {ok, Tokens, _} = erl_scan:string(Or(A, "[]") ++ "."),
        {ok, Arguments} = erl_parse:parse_term(Tokens),
        Node = list_to_atom(os:getenv("RELEASE_NODE")),
        case rpc:call(Node, list_to_atom(M), list_to_atom(Or(F, "start")), Arguments) of
          {badrpc, Why} -> io:format(standard_error, "~ts: ~tp~n", [Node, Why]), halt(1);
          Answer -> io:format("~tp~n", [Answer]), halt(0)
        end.' \
      -extra "$2"
    ;;
  *)
    fail "expected start or rpc"
    ;;
esac
