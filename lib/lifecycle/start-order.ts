/** Checks that the parts of a process can be started at all. */
import { Fault } from '#lib/fault/fault.ts';

export interface OrderedPart {
  readonly name: string;
  /** Names of the parts that this one needs: started before it, stopped after it. */
  readonly after?: readonly string[];
}

/**
 * The parts in an order in which each comes after those it needs.
 *
 * @throws Fault internal/LIFECYCLE_INVALID for two parts of one name, a need that is not there, or a circle.
 */
export function startOrder<P extends OrderedPart>(parts: readonly P[]): P[] {
  const byName = new Map(parts.map((part) => [part.name, part]));
  const invalid = (message: string): Fault => new Fault('internal', 'LIFECYCLE_INVALID', message);
  if (byName.size < parts.length) throw invalid('two parts have the same name');
  const ordered = new Set<P>();
  const visit = (part: P, trail: readonly string[]): void => {
    if (ordered.has(part)) return;
    if (trail.includes(part.name))
      throw invalid(`parts need each other: ${[...trail, part.name].join(' -> ')}`);
    for (const name of part.after ?? []) {
      const needed = byName.get(name);
      if (needed === undefined) throw invalid(`${part.name} needs ${name}, which is no part of this process`);
      visit(needed, [...trail, part.name]);
    }
    ordered.add(part);
  };
  for (const part of parts) visit(part, []);
  return [...ordered];
}
