/** Pages of lists (AIP-158): sizes, and tokens that only this project reads. */
import { invalidField } from '#lib/fault/fault.ts';
import { isRenderId } from './render-id.ts';

const DEFAULT_PAGE_SIZE = 20;
const MAX_PAGE_SIZE = 100;

/** The size in force: zero means 20, more than 100 means 100. @throws Fault PAGE_SIZE_INVALID */
export function checkPageSize(pageSize: number): number {
  if (!Number.isInteger(pageSize) || pageSize < 0) {
    throw invalidField(
      'PAGE_SIZE_INVALID',
      'page_size',
      `is ${pageSize}; give 1 to ${MAX_PAGE_SIZE}, or 0 for ${DEFAULT_PAGE_SIZE}`,
    );
  }
  return pageSize === 0 ? DEFAULT_PAGE_SIZE : Math.min(pageSize, MAX_PAGE_SIZE);
}

/** The identifier behind which a page begins; undefined for the first page. @throws Fault PAGE_TOKEN_INVALID */
export function decodePageToken(pageToken: string): string | undefined {
  if (pageToken === '') return undefined;
  const id = Buffer.from(pageToken, 'base64url').toString();
  if (!isRenderId(id)) {
    throw invalidField('PAGE_TOKEN_INVALID', 'page_token', 'is not a next_page_token of an earlier page');
  }
  return id;
}

export function encodePageToken(lastId: string): string {
  return Buffer.from(lastId).toString('base64url');
}
