#!/bin/sh
# Purge what a deployment changed: purge.sh NODE PREFIX, with TINTYPE_SERVER__ADMIN_TOKEN in the environment. Needs curl and nothing of tintype.
# Call it once for each node. A soft purge keeps serving what there is while the origin is asked again.
set -eu
node=$1
prefix=$2
body="$(printf '{"prefix": "%s", "soft": true}' "$prefix")"
curl --fail-with-body --silent --show-error --max-time 30 --retry 3 --retry-connrefused \
  -H "Authorization: Bearer $TINTYPE_SERVER__ADMIN_TOKEN" -H "Content-Type: application/json" \
  -d "$body" "$node/v1/purge"
echo
