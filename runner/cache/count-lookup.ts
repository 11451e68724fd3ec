/** Where something was found; `none`: nowhere, or what was found is not usable. */
export type CountLookup = (cache: 'artifact' | 'ui', tier: 'memory' | 'disk' | 'store' | 'none') => void;
