import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { closeAfterEach, start, to } from './contract/opened.ts';
import { faultOf } from './contract/subject.ts';
import type { ClientTls, ServerTls } from './tls.ts';

const folder = mkdtempSync(join(tmpdir(), 'talkmesh-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

closeAfterEach();

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' });
}

function pem(name: string): string {
  return readFileSync(join(folder, name), 'utf8');
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function authority(name: string): void {
  const names = ['-keyout', `${name}.key`, '-out', `${name}.pem`, '-subj', `/CN=${name}`];
  openssl('req', '-x509', ...NEW_KEY, ...names, '-days', '2');
}

/** A certificate for "localhost", with its key. */
function certificate(name: string, signer: string): void {
  writeFileSync(join(folder, 'leaf.cnf'), 'basicConstraints=CA:FALSE\nsubjectAltName=DNS:localhost\n');
  openssl('req', ...NEW_KEY, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
  const signing = [
    '-CA',
    `${signer}.pem`,
    '-CAkey',
    `${signer}.key`,
    '-CAcreateserial',
    '-extfile',
    'leaf.cnf',
  ];
  openssl('x509', '-req', '-in', `${name}.csr`, '-out', `${name}.pem`, '-days', '2', ...signing);
}

beforeAll(() => {
  authority('mesh-ca');
  authority('other-ca');
  certificate('server', 'mesh-ca');
  certificate('client', 'mesh-ca');
  certificate('stranger', 'other-ca');
});

async function echo(
  serverTls: ServerTls | undefined,
  clientTls: ClientTls | undefined,
  address = 'localhost:0',
): Promise<string> {
  const server = await start({}, { address, tls: serverTls });
  const { client } = to(server.address, { tls: clientTls, retry: { maxAttempts: 1 } });
  return (await client.echo({ text: 'secret' }, { timeoutMs: 5_000 })).text;
}

describe('TLS', () => {
  const oneSided = (): ServerTls => ({ certPem: pem('server.pem'), keyPem: pem('server.key') });
  const mutual = (): ServerTls => ({ ...oneSided(), clientCaPem: pem('mesh-ca.pem') });

  it('encrypts, and accepts only a server that the authority signed', async () => {
    expect(await echo(oneSided(), { caPem: pem('mesh-ca.pem') })).toBe('secret');
    expect(await faultOf(echo(oneSided(), { caPem: pem('other-ca.pem') }))).toMatchObject({
      kind: 'unavailable',
    });
    expect(await faultOf(echo(oneSided(), undefined))).toMatchObject({ kind: 'unavailable' });
    expect(await faultOf(echo(undefined, { caPem: pem('mesh-ca.pem') }))).toMatchObject({
      kind: 'unavailable',
    });
  });

  it('accepts only clients that the authority signed, when mutual', async () => {
    const known = { caPem: pem('mesh-ca.pem'), certPem: pem('client.pem'), keyPem: pem('client.key') };
    expect(await echo(mutual(), known)).toBe('secret');
    expect(await faultOf(echo(mutual(), { caPem: pem('mesh-ca.pem') }))).toMatchObject({
      kind: 'unavailable',
    });
    const stranger = { ...known, certPem: pem('stranger.pem'), keyPem: pem('stranger.key') };
    expect(await faultOf(echo(mutual(), stranger))).toMatchObject({ kind: 'unavailable' });
  });

  it('refuses certificates and keys that cannot be used, naming no content', async () => {
    const broken = { certPem: pem('server.pem'), keyPem: pem('client.key') };
    expect(await faultOf(echo(broken, undefined))).toMatchObject({ reason: 'TLS_INVALID' });
    expect(await faultOf(echo({ ...broken, keyPem: 'nonsense' }, undefined))).toMatchObject({
      reason: 'TLS_INVALID',
    });
    for (const keyPem of ['nonsense', pem('server.key'), undefined]) {
      const fault = await faultOf(echo(oneSided(), { certPem: pem('client.pem'), keyPem }));
      expect(fault).toMatchObject({ reason: 'TLS_INVALID' });
      expect(fault.message).not.toContain('nonsense');
    }
  });

  it('checks the name that is asked for, which an IP address needs', async () => {
    const caPem = pem('mesh-ca.pem');
    const address = '127.0.0.1:0';
    expect(await echo(oneSided(), { caPem, serverName: 'localhost' }, address)).toBe('secret');
    const wrong = await faultOf(echo(oneSided(), { caPem, serverName: 'elsewhere' }, address));
    expect(wrong).toMatchObject({ kind: 'unavailable' });
    const unnamed = await faultOf(echo(oneSided(), { caPem }, address));
    expect(unnamed).toMatchObject({ kind: 'invalid', reason: 'TLS_SERVER_NAME_MISSING' });
  });
});
