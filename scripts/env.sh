# Sourced by the other scripts: where the project is, and the programs it runs with. Set-up puts Node 24 into
# .runtime/bin on machines whose own node is too old, so that folder goes first.
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
PATH=$ROOT/.runtime/bin:$ROOT/node_modules/.bin:$PATH
export PATH

# Node strips TypeScript types by itself from 22.18.
node_is_new_enough() {
  "$1" -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 22 || (a === 22 && b >= 18) ? 0 : 1)' 2>/dev/null
}
