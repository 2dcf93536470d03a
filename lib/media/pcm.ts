import { mediaFault } from './media-fault.ts';

/** The layout of raw samples. */
export interface PcmFormat {
  readonly encoding: 's16le' | 'f32le';
  readonly sampleRateHz: number;
  /** Interleaved channels, at least 1. */
  readonly channelCount: number;
}

export const SAMPLE_BYTES = { s16le: 2, f32le: 4 } as const;

export interface PcmReader {
  /** The mono samples that the bytes so far complete, in [-1, 1] for integer samples. */
  push(bytes: Uint8Array): Float32Array;
  /** Fault MEDIA_TRUNCATED when the bytes ended inside a sample. */
  end(): void;
}

/**
 * Reads interleaved samples from pieces cut anywhere; channels are averaged. Fault SOUND_NOT_FINITE for float
 * samples that are no numbers.
 */
export function createPcmReader(format: PcmFormat, field: string): PcmReader {
  const blockBytes = SAMPLE_BYTES[format.encoding] * format.channelCount;
  let rest = new Uint8Array(0);
  return {
    push: (bytes) => {
      const joined = rest.length === 0 ? bytes : concat(rest, bytes);
      const blocks = Math.floor(joined.length / blockBytes);
      rest = joined.slice(blocks * blockBytes);
      return mixDown(joined, blocks, format, field);
    },
    end: () => {
      if (rest.length > 0) {
        throw mediaFault(
          'MEDIA_TRUNCATED',
          field,
          `the sound ends inside a sample of ${blockBytes} bytes; send it whole`,
        );
      }
    },
  };
}

function mixDown(
  bytes: Uint8Array,
  blocks: number,
  { encoding, channelCount }: PcmFormat,
  field: string,
): Float32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mono = new Float32Array(blocks);
  let offset = 0;
  for (let i = 0; i < blocks; i++) {
    let sum = 0;
    for (let channel = 0; channel < channelCount; channel++) {
      if (encoding === 's16le') {
        sum += view.getInt16(offset, true) / 32768;
        offset += 2;
      } else {
        sum += view.getFloat32(offset, true);
        offset += 4;
      }
    }
    if (!Number.isFinite(sum)) {
      throw mediaFault(
        'SOUND_NOT_FINITE',
        field,
        'a float sample is not a finite number; samples are in [-1, 1]',
      );
    }
    mono[i] = sum / channelCount;
  }
  return mono;
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
