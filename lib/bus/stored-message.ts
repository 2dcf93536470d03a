/** Reading one message of a stream by its place, which the client's types cover only in part. */
import type { StoredMsg } from 'nats';
import { Fault } from '#lib/fault/fault.ts';
import { isMissing } from './bus-fault.ts';
import type { Bus, CallPatience } from './connection.ts';

/** Exactly this sequence; the last of a subject; or the first of a subject at or after a sequence (NATS 2.9). */
export type MessageQuery =
  | { readonly seq: number }
  | { readonly last_by_subj: string }
  | { readonly seq: number; readonly next_by_subj: string };

/** Asks the stream's leader, which has all that was acknowledged. Undefined when there is no such message. */
export async function readMessage(
  bus: Bus,
  stream: string,
  query: MessageQuery,
  during: string,
  patience?: CallPatience,
): Promise<StoredMsg | undefined> {
  try {
    const ask = () => bus.manager.streams.getMessage(stream, query as { seq: number });
    return await bus.call(during, ask, patience);
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/**
 * Asks any replica of a stream with `allow_direct`, which answers with the bytes as they are. A replica may lag:
 * undefined does not mean that the leader has no such message.
 */
export async function readDirectly(
  bus: Bus,
  stream: string,
  sequence: number,
  during: string,
  patience?: CallPatience,
): Promise<Uint8Array | undefined> {
  const subject = `$JS.API.DIRECT.GET.${stream}`;
  const query = JSON.stringify({ seq: sequence });
  const ask = () => bus.nats.request(subject, query, { timeout: bus.requestTimeoutMs });
  const answer = await bus.call(during, ask, patience);
  const status = answer.headers?.code ?? 0;
  if (status === 0) return answer.data;
  if (status === 404) return undefined;
  throw new Fault('internal', 'BUS_FAILED', `NATS failed while ${during} (status ${status})`);
}

/** Deletes a message, if it is still there. `erase` overwrites it on the server's disk first. */
export async function deleteMessage(
  bus: Bus,
  stream: string,
  sequence: number,
  erase: boolean,
  during: string,
): Promise<void> {
  try {
    await bus.call(during, () => bus.manager.streams.deleteMessage(stream, sequence, erase));
  } catch (error) {
    // The server has no code of its own for a message that is gone already.
    if ((await readMessage(bus, stream, { seq: sequence }, during)) !== undefined) throw error;
  }
}
