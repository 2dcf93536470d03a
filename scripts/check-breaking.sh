#!/usr/bin/env bash
# The contracts stay compatible (wire and JSON names) with the newest release tag; before the first release,
# with the commit before this one. A commit that must break an unreleased contract says "BREAKING CHANGE:" in
# its message.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"
skip() {
  echo "not compared: $1"
  exit 0
}
git rev-parse --git-dir >/dev/null 2>&1 || skip 'this is not a git checkout'
if base=$(git describe --tags --abbrev=0 --match 'v[0-9]*' HEAD^ 2>/dev/null); then
  :
elif [ -n "$(git status --porcelain -- proto)" ]; then
  base=HEAD
elif git log -1 --format=%B | grep -q '^BREAKING CHANGE:'; then
  skip 'this commit declares a breaking change, and nothing is released'
else
  base=HEAD^
fi
git rev-parse --quiet --verify "$base^{commit}" >/dev/null || skip "there is no commit $base"
git cat-file -e "$base:proto" 2>/dev/null || skip "$base has no contracts"
buf breaking --against ".git#ref=$(git rev-parse "$base^{commit}")"
echo "compatible with $base"
