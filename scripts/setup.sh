#!/usr/bin/env bash
# Brings everything that talkmesh needs onto a Debian or Ubuntu machine that has some Node and npm:
#   setup.sh              ffmpeg and nats-server (apt), Node 24 where the machine's is older than 22.18, npm packages
#   setup.sh --runtimes   the same, and Deno and Bun, which the tests run talkmesh on
# A second run finds everything in place and takes a fraction of a second.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
cd "$ROOT"

RUNTIME=$ROOT/.runtime
# npm and the node it came with; .runtime/bin is set-up's own work.
MACHINE_PATH=$(printf '%s' "$PATH" | tr ':' '\n' | grep -vxF "$RUNTIME/bin" | paste -sd:)

with_runtimes=false
for argument in "$@"; do
  case $argument in
    --runtimes) with_runtimes=true ;;
    *) echo "setup.sh: unknown argument '$argument' (known: --runtimes)" >&2; exit 2 ;;
  esac
done

fail() {
  printf 'set-up stopped: %s\n' "$*" >&2
  exit 1
}

# step "what" command...: one line of progress; the command's output is shown only when it fails.
step() {
  local what=$1 began=$SECONDS log
  shift
  log=$(mktemp)
  printf 'set-up: %s ... ' "$what"
  if "$@" >"$log" 2>&1; then
    printf '%d s\n' $((SECONDS - began))
    rm -f "$log"
  else
    printf 'failed\n'
    cat "$log" >&2
    rm -f "$log"
    fail "$what did not install; the output above says why"
  fi
}

npm_ci() {
  PATH=$MACHINE_PATH npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"
}

install_system_packages() {
  local missing=()
  command -v ffmpeg >/dev/null && command -v ffprobe >/dev/null || missing+=(ffmpeg)
  command -v nats-server >/dev/null || missing+=(nats-server)
  [ ${#missing[@]} = 0 ] && return
  command -v apt-get >/dev/null ||
    fail "${missing[*]} missing and this machine has no apt-get; install them with its package manager and run set-up again"
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; } ||
      fail "${missing[*]} missing and only root can install them; run: sudo apt-get update && sudo apt-get install -y ${missing[*]}"
  fi
  step "${missing[*]} from apt" apt_install "${missing[@]}"
}

# The packages of scripts/runtimes/NAME, as its lock file pins them, go to .runtime/NAME.
install_runtime() {
  local source=$ROOT/scripts/runtimes/$1 target=$RUNTIME/$1
  mkdir -p "$target" && cp "$source/package.json" "$source/package-lock.json" "$target/" && (cd "$target" && npm_ci)
}

# link NAME FILE: makes .runtime/bin/NAME point at .runtime/FILE in one step, so that nobody ever finds it missing.
link() {
  [ -x "$RUNTIME/$2" ] || fail "npm has no $1 for this machine ($(uname -sm)); install $1 by hand and run set-up again"
  mkdir -p "$RUNTIME/bin"
  ln -sfn "../$2" "$RUNTIME/bin/.$1.$$"
  mv -fT "$RUNTIME/bin/.$1.$$" "$RUNTIME/bin/$1"
}

fingerprint() {
  cat "$@" | sha256sum | cut -d' ' -f1
}

is_current() {
  [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

install_node() {
  local machine_node want
  machine_node=$(PATH=$MACHINE_PATH command -v node || true)
  [ -n "$machine_node" ] && node_is_new_enough "$machine_node" && return
  want=$(fingerprint scripts/runtimes/node/package-lock.json)
  if ! is_current "$RUNTIME/node.stamp" "$want" || ! node_is_new_enough "$RUNTIME/bin/node"; then
    step 'Node 24 from npm' install_runtime node
    link node "node/node_modules/node-linux-$ARCH/bin/node"
    node_is_new_enough "$RUNTIME/bin/node" || fail 'the Node 24 from npm does not run on this machine'
    echo "$want" >"$RUNTIME/node.stamp"
  fi
}

install_packages() {
  local want
  want=$(fingerprint package-lock.json .npmrc)
  is_current node_modules/.talkmesh-setup "$want" && return
  step 'npm packages, about 600 MB' npm_ci
  echo "$want" >node_modules/.talkmesh-setup
}

install_deno_and_bun() {
  local want
  want=$(fingerprint scripts/runtimes/deno-bun/package-lock.json)
  is_current "$RUNTIME/deno-bun.stamp" "$want" && [ -x "$RUNTIME/bin/deno" ] && [ -x "$RUNTIME/bin/bun" ] && return
  step 'Deno and Bun from npm' install_runtime deno-bun
  link deno "deno-bun/node_modules/@deno/linux-$ARCH-glibc/deno"
  link bun "deno-bun/node_modules/@oven/bun-linux-${ARCH/arm64/aarch64}/bin/bun"
  echo "$want" >"$RUNTIME/deno-bun.stamp"
}

command -v npm >/dev/null || fail 'npm is missing; install Node and npm (any version from 20 on) and run set-up again'
case $(uname -m) in
  x86_64) ARCH=x64 ;;
  aarch64 | arm64) ARCH=arm64 ;;
  *) ARCH=$(uname -m) ;;
esac

mkdir -p "$RUNTIME"
# Two set-ups at once would write the same folders.
exec 9>"$RUNTIME/setup.lock"
if command -v flock >/dev/null; then flock 9; fi

install_system_packages
install_node
install_packages
if $with_runtimes; then install_deno_and_bun; fi
printf 'set-up: ready, node %s\n' "$(node -p process.versions.node)"
