/** Failures that happen after the caller has its answer. */
import { toFault } from '#lib/fault/fault.ts';

/**
 * Reports an error that no caller can receive any more, such as one thrown by the clean-up of an iterator whose
 * stream was already cancelled, as a process warning. Only the reason and the class of the cause are named:
 * the text of a foreign error may hold personal data.
 */
export function reportStray(error: unknown, during: string): void {
  const fault = toFault(error);
  // An iterator that is told to stop and answers "I was stopped" has nothing to report.
  if (fault.kind === 'cancelled') return;
  const beneath = fault.cause instanceof Error ? ` (${fault.cause.name})` : '';
  process.emitWarning(`${fault.reason}${beneath} during ${during}`, { code: 'TALKMESH_STRAY_ERROR' });
}
