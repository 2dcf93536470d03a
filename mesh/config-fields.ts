/** Every configuration key of talkmesh. This is the only room that reads the environment. */
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_GATEWAY_CONFIG } from '#gateway/config.ts';
import { byteSize, choice, duration, integer, optional, text, textList, url } from '#lib/config/field.ts';
import type { ConfigOf } from '#lib/config/parse.ts';
import { LOG_LEVELS } from '#lib/telemetry/logger.ts';
import { DEFAULT_COMPOSITOR_CONFIG } from '#services/compositor/service.ts';

const PROJECT_FOLDER = join(import.meta.dirname, '..');
const ADDRESS = { pattern: /^(unix:.+|[^\s/]+:\d{1,5}|dns:\/\/\/\S+)$/, accepts: 'host:port or unix:/path' };
const day = 24 * 3600 * 1000;

/** What inference, media and files need, whichever way talkmesh runs. */
export const COMMON_FIELDS = {
  bundleFolders: textList({
    key: 'TALKMESH_BUNDLE_FOLDERS',
    description: 'Folders with model bundles, separated by commas.',
    default: [join(PROJECT_FOLDER, 'bundles')],
  }),
  defaultBundle: text({
    key: 'TALKMESH_DEFAULT_BUNDLE',
    description: 'The bundle that an empty bundle name means.',
    default: 'f8-512',
  }),
  provider: choice({
    key: 'TALKMESH_PROVIDER',
    description: 'Execution provider of ONNX Runtime; auto takes the fastest that works.',
    choices: ['auto', 'cpu', 'cuda', 'tensorrt', 'webgpu'],
    default: 'auto',
  }),
  inferenceThreads: integer({
    key: 'TALKMESH_INFERENCE_THREADS',
    description: 'Threads inside one model run on the CPU.',
    min: 1,
    max: 256,
    default: availableParallelism(),
  }),
  ffmpegPath: text({ key: 'TALKMESH_FFMPEG', description: 'The ffmpeg program.', default: 'ffmpeg' }),
  ffprobePath: text({ key: 'TALKMESH_FFPROBE', description: 'The ffprobe program.', default: 'ffprobe' }),
  tempFolder: text({
    key: 'TALKMESH_TEMP_FOLDER',
    description: 'Where files that are needed for a while are kept.',
    default: tmpdir(),
  }),
  segmentFrameCount: integer({
    key: 'TALKMESH_SEGMENT_FRAMES',
    description:
      'Frames of a segment of a clip: what is lost at most when a process dies. A multiple of resetFrames of every bundle.',
    min: 1,
    max: 100_000,
    default: DEFAULT_COMPOSITOR_CONFIG.segmentFrameCount,
  }),
  logLevel: choice({
    key: 'TALKMESH_LOG_LEVEL',
    description: 'The least urgent lines that are logged.',
    choices: LOG_LEVELS,
    default: 'info',
  }),
} as const;

/** What a mesh of services needs beside. */
export const MESH_FIELDS = {
  ...COMMON_FIELDS,
  dataFolder: text({
    key: 'TALKMESH_DATA_FOLDER',
    description: 'Where the private NATS server and the cache of assets keep their files.',
    default: join(process.cwd(), '.talkmesh'),
  }),
  natsUrl: optional(
    url({
      key: 'TALKMESH_NATS_URL',
      description: 'The NATS server with JetStream. Not set: a private one is started.',
      schemes: ['nats', 'tls'],
    }),
  ),
  natsToken: optional(text({ key: 'TALKMESH_NATS_TOKEN', description: 'Token for NATS.', secret: true })),
  httpAddress: text({
    key: 'TALKMESH_HTTP_ADDRESS',
    description: 'Where the gateway serves HTTP.',
    default: '127.0.0.1:8080',
    ...ADDRESS,
  }),
  grpcAddress: text({
    key: 'TALKMESH_GRPC_ADDRESS',
    description: 'Where the gateway serves the public gRPC API.',
    default: '127.0.0.1:8081',
    ...ADDRESS,
  }),
  listenAddress: text({
    key: 'TALKMESH_LISTEN_ADDRESS',
    description: 'Where a single service (up --only) serves gRPC. Port 0 takes a free one.',
    default: '127.0.0.1:0',
    ...ADDRESS,
  }),
  opsAddress: text({
    key: 'TALKMESH_OPS_ADDRESS',
    description: 'Where a single service other than the gateway serves /healthz, /readyz and /metrics.',
    default: '127.0.0.1:0',
    ...ADDRESS,
  }),
  audioAddress: text({
    key: 'TALKMESH_AUDIO_ADDRESS',
    description: 'Where the compositor finds the audio service.',
    default: '127.0.0.1:50051',
    ...ADDRESS,
  }),
  landmarkAddress: text({
    key: 'TALKMESH_LANDMARK_ADDRESS',
    description: 'Where the compositor finds the landmark service.',
    default: '127.0.0.1:50052',
    ...ADDRESS,
  }),
  denoiserAddress: text({
    key: 'TALKMESH_DENOISER_ADDRESS',
    description: 'Where the compositor finds the denoiser service.',
    default: '127.0.0.1:50053',
    ...ADDRESS,
  }),
  compositorAddress: text({
    key: 'TALKMESH_COMPOSITOR_ADDRESS',
    description: 'Where the gateway finds the compositor service.',
    default: '127.0.0.1:50054',
    ...ADDRESS,
  }),
  apiKeys: optional(
    text({
      key: 'TALKMESH_API_KEYS',
      description:
        'API keys, each "TENANT:KEY", separated by commas. Not set: none is asked for, on loopback only.',
      pattern: /^\s*[A-Za-z0-9_-]{1,64}:[^\s,]{16,256}\s*(,\s*[A-Za-z0-9_-]{1,64}:[^\s,]{16,256}\s*)*$/,
      accepts: 'TENANT:KEY, separated by commas; a key has 16 to 256 characters',
      secret: true,
    }),
  ),
  corsOrigins: textList({
    key: 'TALKMESH_CORS_ORIGINS',
    description: 'Origins that browsers may call from, separated by commas; * allows all.',
    default: [],
  }),
  requestsPerSecond: integer({
    key: 'TALKMESH_REQUESTS_PER_SECOND',
    description: 'Requests that one API key may send a second, on average; more are refused with 429.',
    min: 1,
    max: 1_000_000,
    default: DEFAULT_GATEWAY_CONFIG.requestsPerSecond,
  }),
  requestBurst: integer({
    key: 'TALKMESH_REQUEST_BURST',
    description: 'Requests that one API key may send at once before the average counts.',
    min: 1,
    max: 1_000_000,
    default: DEFAULT_GATEWAY_CONFIG.requestBurst,
  }),
  maxLiveStreams: integer({
    key: 'TALKMESH_MAX_LIVE_STREAMS',
    description: 'Live streams that one tenant may have open at once.',
    min: 1,
    max: 100_000,
    default: DEFAULT_GATEWAY_CONFIG.maxLiveStreams,
  }),
  maxUploadBytes: byteSize({
    key: 'TALKMESH_MAX_UPLOAD',
    description: 'The largest face or voice that is taken.',
    min: 1,
    max: 1024 ** 4,
    default: DEFAULT_GATEWAY_CONFIG.maxUploadBytes,
  }),
  slowClientTimeoutMs: duration({
    key: 'TALKMESH_SLOW_CLIENT_TIMEOUT',
    description: 'How long a live caller may take nothing of what it is sent before its stream is ended.',
    min: 100,
    max: day,
    default: DEFAULT_GATEWAY_CONFIG.slowClientTimeoutMs,
  }),
  rendersAtOnce: integer({
    key: 'TALKMESH_RENDERS_AT_ONCE',
    description: 'Queued renders that one compositor works on at once.',
    min: 1,
    max: 64,
    default: 2,
  }),
  drainTimeoutMs: duration({
    key: 'TALKMESH_DRAIN_TIMEOUT',
    description: 'How long running work may take to end after SIGTERM.',
    min: 0,
    max: day,
    default: 30_000,
  }),
  otlpTracesUrl: optional(
    url({
      key: 'TALKMESH_OTLP_TRACES_URL',
      description: 'OpenTelemetry collector for traces (OTLP over HTTP). Not set: no spans are recorded.',
      schemes: ['http', 'https'],
    }),
  ),
} as const;

export type CommonConfig = ConfigOf<typeof COMMON_FIELDS>;
export type MeshConfig = ConfigOf<typeof MESH_FIELDS>;
