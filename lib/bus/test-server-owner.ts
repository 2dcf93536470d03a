/** For server.test.ts: a process that starts the private server in a folder, says where, and waits. */
import { startNatsServer } from './server.ts';
import { QUIET } from './test-bus.ts';

const server = await startNatsServer({ folder: process.argv[2]! }, QUIET, AbortSignal.timeout(20_000));
process.stdout.write(`${JSON.stringify({ pid: server.pid(), url: server.url, token: server.token })}\n`);
setInterval(() => undefined, 60_000);
