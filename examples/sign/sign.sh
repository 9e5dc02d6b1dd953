#!/bin/sh
# Signed URLs in a shell, with openssl: sign.sh SOURCE OPTIONS [EXTENSION]
set -eu
key=736563726574
salt=68656c6c6f

base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
unhex() {
  rest=$1
  while [ -n "$rest" ]; do
    tail=${rest#??}
    printf "\\$(printf %03o "0x${rest%"$tail"}")"
    rest=$tail
  done
}

path="/$2/$(printf '%s' "$1" | base64url)${3:+.$3}"
signature="$({ unhex "$salt"; printf '%s' "$path"; } | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64url)"
printf '/%s%s\n' "$signature" "$path"
