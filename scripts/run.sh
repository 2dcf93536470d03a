#!/usr/bin/env bash
# Runs one command of the project with the project's own programs first on the PATH: run.sh COMMAND [ARGUMENT...]
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
if [ ! -d "$ROOT/node_modules" ]; then
  echo "talkmesh is not set up; run: npm run setup" >&2
  exit 1
fi
exec "$@"
