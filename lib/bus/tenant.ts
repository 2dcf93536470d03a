/** Tenants as parts of NATS subjects and object names. */
import { invalidField } from '#lib/fault/fault.ts';

const FORM = /^[A-Za-z0-9_-]{1,64}$/;

/** The tenant's name, once it is known to be safe as one token of a subject. */
export function checkTenant(tenant: string): string {
  if (!FORM.test(tenant)) {
    throw invalidField(
      'TENANT_INVALID',
      'tenant',
      'must be 1 to 64 of the characters A-Z, a-z, 0-9, _ and -',
    );
  }
  return tenant;
}
