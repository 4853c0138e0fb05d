#!/bin/sh
# What an Erlang shipment is started with: `entrypoint.sh run` or `entrypoint.sh shell`.
set -eu

here=$(dirname "$0")
mode=${1:-}

case $mode in
  run)
    shift
    exec erl -pa "$here"/*/ebin -noshell -eval "lantern@@main:run(lantern)" -extra "$@"
    ;;
  shell)
    exec erl -pa "$here"/*/ebin
    ;;
  *)
    echo "usage: entrypoint.sh run [ARGUMENTS] | shell" >&2
    exit 1
    ;;
esac
