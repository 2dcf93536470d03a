import packageFile from '../package.json' with { type: 'json' };

/** Version of talkmesh, as package.json says it. */
export const TALKMESH_VERSION: string = packageFile.version;
