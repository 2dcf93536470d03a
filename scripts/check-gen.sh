#!/usr/bin/env bash
# gen/ is what buf generates from proto/, byte for byte; `npm run gen` writes it.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT
buf generate --output "$fresh"
diff -r "$fresh/gen" gen || {
  echo 'gen/ differs from what proto/ generates; run: npm run gen' >&2
  exit 1
}
