/** Where something was found; `none`: nowhere, or what was found is not usable. */
export type CacheTier = 'memory' | 'disk' | 'store' | 'none';

export type CountLookup = (cache: 'artifact' | 'ui', tier: CacheTier, count?: number) => void;
