# The path of a file of arguments without a node's name and cookie, which are not the release's to say.
vm_args () {
  if grep -Eq '(^|[[:space:]])-(setcookie|s?name)([[:space:]]|$)' "$1"; then
    stripped=$RELEASE_TMP/$RELEASE_NAME-$(basename "$1")
    mkdir -p "$RELEASE_TMP"
    awk '
      /^[ \t]*#/ || !/-(setcookie|s?name)/ { print; next }
      {
        line = ""
        for (at = 1; at <= NF; at++) {
          if ($at ~ /^[-+]/) dropped = $at ~ /^-(setcookie|s?name)$/
          if (!dropped) line = line " " $at
        }
        dropped = 0
        print line
      }' "$1" >"$stripped.$$" || fail "could not write $stripped"
    mv -f "$stripped.$$" "$stripped"
    echo "$stripped"
  else
    echo "$1"
  fi
}
