/** A route as data: what serves it, and what /openapi.json says of it. */
import type { DescMessage } from '@bufbuild/protobuf';
import type { Context } from 'hono';

/** The form of a body: a protobuf message as JSON, or bytes of a media type. */
export type BodyForm =
  | { readonly kind: 'message'; readonly schema: DescMessage }
  | { readonly kind: 'bytes'; readonly mediaType: string; readonly description: string }
  | { readonly kind: 'form'; readonly fields: Readonly<Record<string, FormField>> }
  | { readonly kind: 'events'; readonly schema: DescMessage }
  | { readonly kind: 'none' };

export interface FormField {
  readonly file: boolean;
  readonly required: boolean;
  readonly description: string;
}

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly integer?: boolean;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Hono's pattern, such as /v1/renders/:id. */
  readonly path: string;
  /** Identifier in generated clients, lower camel case. */
  readonly operation: string;
  readonly summary: string;
  /** Whether the caller must name itself. */
  readonly authenticated: boolean;
  readonly parameters?: readonly Parameter[];
  readonly request: BodyForm;
  /** The answer when all is well, by status. */
  readonly responses: Readonly<Record<number, { readonly description: string; readonly body: BodyForm }>>;
  readonly handler: (c: Context) => Response | Promise<Response>;
}
