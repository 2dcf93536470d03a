/** What a process of the mesh may be. */
import { invalidField } from '#lib/fault/fault.ts';

export const ROLES = ['gateway', 'compositor', 'audio', 'landmark', 'denoiser'] as const;
export type Role = (typeof ROLES)[number];

/** Roles that run models. */
export const LEAF_ROLES: readonly Role[] = ['audio', 'landmark', 'denoiser'];

export function parseRole(text: string): Role {
  const role = ROLES.find((known) => known === text);
  if (role === undefined) {
    throw invalidField('OPTION_INVALID', '--only', `"${text}" is no service; known: ${ROLES.join(', ')}`);
  }
  return role;
}
