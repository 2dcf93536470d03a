import { execFileSync, spawnSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

const PROJECT = join(import.meta.dirname, '..');

/** The programs of a bare Debian that set-up may use. */
const TOOLS =
  'bash cat chmod cp cut dirname env flock grep head ln mkdir mktemp mv paste rm sed sha256sum sort tr uname';

/** Programs of the machine that write each call to $CALLS. What they install, they install beside themselves. */
const FAKES: Readonly<Record<string, string>> = {
  'apt-get': `case $* in *install*) for name in ffmpeg nats-server; do
      case "$*" in *$name*) printf '#!/bin/sh\\n' >"$BIN/$name"; chmod +x "$BIN/$name" ;; esac; done
      cp "$BIN/ffmpeg" "$BIN/ffprobe" ;; esac`,
  id: 'echo "$FAKE_USER_ID"',
  npm: `[ -z "$NPM_FAILS" ] || { echo 'npm error 404 no such package'; exit 1; }
    case $PWD in
      */.runtime/node) for arch in x64 arm64; do
        mkdir -p node_modules/node-linux-$arch/bin
        sed 's/VERSION=.*/VERSION=24.21.0/' "$BIN/node" >node_modules/node-linux-$arch/bin/node
        chmod +x node_modules/node-linux-$arch/bin/node; done ;;
      */.runtime/deno-bun) for arch in x64 arm64; do
        mkdir -p node_modules/@deno/linux-$arch-glibc; cp "$BIN/node" node_modules/@deno/linux-$arch-glibc/deno; done
        for arch in x64 aarch64; do
        mkdir -p node_modules/@oven/bun-linux-$arch/bin; cp "$BIN/node" node_modules/@oven/bun-linux-$arch/bin/bun; done ;;
      *) mkdir -p node_modules ;;
    esac`,
};

let root: string;
let bin: string;

function addProgram(name: string, body: string): void {
  writeFileSync(join(bin, name), `#!/bin/bash\n${body}\n`);
  chmodSync(join(bin, name), 0o755);
}

/** A node of the given version, as far as set-up asks it. */
function addNode(version: string): void {
  const isNewEnough = '[ "$(printf "22.18\\n$VERSION\\n" | sort -V | head -n1)" = 22.18 ]';
  addProgram('node', `VERSION=${version}\ncase $1 in -p) echo $VERSION ;; -e) ${isNewEnough} ;; esac`);
}

let toolPaths: string[];
beforeAll(() => {
  toolPaths = execFileSync('sh', ['-c', `command -v ${TOOLS.replaceAll(' ', '; command -v ')}`], {
    encoding: 'utf8',
  })
    .trim()
    .split('\n');
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'talkmesh-setup-'));
  bin = join(root, 'machine');
  mkdirSync(bin);
  const project = join(root, 'project');
  mkdirSync(project);
  cpSync(join(PROJECT, 'scripts'), join(project, 'scripts'), { recursive: true });
  for (const file of ['package.json', 'package-lock.json', '.npmrc'])
    cpSync(join(PROJECT, file), join(project, file));
  for (const path of toolPaths) symlinkSync(path, join(bin, basename(path)));
  for (const [name, body] of Object.entries(FAKES)) {
    addProgram(name, `[ ${name} = id ] || echo "\${PWD#"$PROJECT"} ${name} $*" >>"$CALLS"\n${body}`);
  }
  addNode('20.20.2');
});
afterEach(() => rmSync(root, { recursive: true }));

function setUp(args: string[] = [], env: Record<string, string> = {}) {
  const calls = join(root, 'calls');
  writeFileSync(calls, '');
  const project = join(root, 'project');
  const machine = {
    PATH: bin,
    BIN: bin,
    CALLS: calls,
    PROJECT: project,
    FAKE_USER_ID: '0',
    NPM_FAILS: '',
    HOME: root,
  };
  const { status, stdout, stderr } = spawnSync(
    join(bin, 'bash'),
    [join(project, 'scripts/setup.sh'), ...args],
    {
      env: { ...machine, ...env },
      encoding: 'utf8',
    },
  );
  const made = readFileSync(calls, 'utf8').trim();
  return { status, stdout, stderr, calls: made === '' ? [] : made.split('\n').map((call) => call.trim()) };
}

const NPM_CI = 'npm ci --ignore-scripts --no-audit --no-fund --loglevel=error';
const APT = ['apt-get update -qq', 'apt-get install -y -qq --no-install-recommends ffmpeg nats-server'];

describe('setup.sh', () => {
  it('brings everything onto a machine that has only Node 20, and finds it there the next time', () => {
    const first = setUp();
    expect(first).toMatchObject({ status: 0, stderr: '' });
    expect(first.calls).toEqual([...APT, `/.runtime/node ${NPM_CI}`, NPM_CI]);
    expect(first.stdout.replace(/\d+ s$/gm, 'N s')).toBe(
      'set-up: ffmpeg nats-server from apt ... N s\nset-up: Node 24 from npm ... N s\n' +
        'set-up: npm packages, about 600 MB ... N s\nset-up: ready, node 24.21.0\n',
    );
    expect(setUp()).toMatchObject({ status: 0, calls: [], stdout: 'set-up: ready, node 24.21.0\n' });
  });

  it('uses the node of the machine where that strips types', () => {
    addNode('22.18.0');
    expect(setUp().calls).toEqual([...APT, NPM_CI]);
  });

  it('brings its own where the machine has 22.17', () => {
    addNode('22.17.9');
    expect(setUp().stdout).toContain('set-up: ready, node 24.21.0');
  });

  it('installs npm packages again when the lock file has changed, and only then', () => {
    setUp();
    appendFileSync(join(root, 'project/package-lock.json'), '\n');
    expect(setUp().calls).toEqual([NPM_CI]);
    expect(setUp().calls).toEqual([]);
  });

  it('brings Deno and Bun when asked', () => {
    setUp();
    expect(setUp(['--runtimes']).calls).toEqual([`/.runtime/deno-bun ${NPM_CI}`]);
    for (const name of ['node', 'deno', 'bun']) {
      expect(existsSync(join(root, 'project/.runtime/bin', name))).toBe(true);
    }
    expect(setUp(['--runtimes']).calls).toEqual([]);
  });

  it('uses sudo where it may', () => {
    addProgram('sudo', '[ "$1" = -n ] || "$@"');
    expect(setUp([], { FAKE_USER_ID: '1000' })).toMatchObject({
      status: 0,
      calls: expect.arrayContaining(APT),
    });
  });

  it('names the commands when only root can run them', () => {
    expect(setUp([], { FAKE_USER_ID: '1000' })).toMatchObject({
      status: 1,
      calls: [],
      stderr:
        'set-up stopped: ffmpeg nats-server missing and only root can install them; ' +
        'run: sudo apt-get update && sudo apt-get install -y ffmpeg nats-server\n',
    });
  });

  it('says what is missing where there is no apt-get', () => {
    rmSync(join(bin, 'apt-get'));
    addProgram('nats-server', '');
    expect(setUp()).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('ffmpeg missing and this machine has no apt-get'),
    });
  });

  it('shows what npm said when it fails, and tries again the next time', () => {
    expect(setUp([], { NPM_FAILS: 'yes' })).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('Node 24 from npm ... failed'),
      stderr: expect.stringContaining('npm error 404 no such package'),
    });
    expect(setUp()).toMatchObject({ status: 0, calls: [`/.runtime/node ${NPM_CI}`, NPM_CI] });
  });

  it('refuses what it does not know', () => {
    expect(setUp(['--everything'])).toMatchObject({ status: 2, calls: [] });
  });
});
