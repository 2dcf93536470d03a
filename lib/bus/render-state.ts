/** The life of a render: QUEUED -> RUNNING -> SUCCEEDED | FAILED | CANCELLED. */
import { RenderState } from '#gen/talkmesh/render/v1/render_pb.ts';
import { Fault } from '#lib/fault/fault.ts';

const { QUEUED, RUNNING, SUCCEEDED, FAILED, CANCELLED } = RenderState;

/** From each state, where it may go. RUNNING to QUEUED: put back, as no denoiser was free or the worker stops. */
const NEXT: ReadonlyMap<RenderState, readonly RenderState[]> = new Map([
  [QUEUED, [QUEUED, RUNNING, FAILED, CANCELLED]],
  [RUNNING, [RUNNING, QUEUED, SUCCEEDED, FAILED, CANCELLED]],
  [SUCCEEDED, []],
  [FAILED, []],
  [CANCELLED, []],
]);

/** Whether nothing will change any more. */
export function isEnded(state: RenderState): boolean {
  return NEXT.get(state)?.length === 0;
}

/** @throws Fault RENDER_ENDED, or RENDER_STATE_INVALID, a bug of the caller */
export function checkTransition(from: RenderState, to: RenderState): void {
  if (NEXT.get(from)?.includes(to)) return;
  if (isEnded(from)) {
    throw new Fault('precondition', 'RENDER_ENDED', 'the render has ended; what has ended does not change');
  }
  throw new Fault('internal', 'RENDER_STATE_INVALID', `a render cannot go from state ${from} to state ${to}`);
}
