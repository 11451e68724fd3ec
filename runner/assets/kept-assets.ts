import type { UiInstall } from '../../core/api/internal.ts';
import type { Coding } from './encodings.ts';

const MAX_BYTES = 64 * 1024 * 1024;
/** What an asset takes beside its bytes, about. */
const BESIDE_BYTES = 4_096;

/** A file in one form. */
export interface Form {
  etag: string;
  /** Of a small one, once they were asked for: those of its bundle, which no disk can alter any more. */
  bytes?: Uint8Array;
  /** Headers for the UI that `ui` is: those of every answer, and the same with the length of the whole. Names and values by turns. */
  head?: { ui: UiInstall; common: string[]; whole: string[] };
}

/** A file that is served, in the forms it has. Its bytes never change: its hash is in the key. */
export interface Asset {
  file: string;
  forms: ReadonlyMap<Coding, Form>;
}

export interface KeptAssets {
  get(key: string): Asset | undefined;
  /** Once more when one of its forms got bytes. */
  keep(key: string, asset: Asset): void;
}

/** Those used last, up to so many bytes. */
export function createKeptAssets(maxBytes = MAX_BYTES): KeptAssets {
  const kept = new Map<string, { asset: Asset; weight: number }>(); // in the order of use
  let total = 0;

  return {
    get(key) {
      const found = kept.get(key);
      if (found === undefined) return undefined;
      kept.delete(key);
      kept.set(key, found);
      return found.asset;
    },
    keep(key, asset) {
      total -= kept.get(key)?.weight ?? 0;
      kept.delete(key);
      const weight = weightOf(asset);
      kept.set(key, { asset, weight });
      total += weight;
      for (const [oldest, { weight: freed }] of kept) {
        if (total <= maxBytes) return;
        kept.delete(oldest);
        total -= freed;
      }
    },
  };
}

function weightOf({ forms }: Asset): number {
  let weight = BESIDE_BYTES;
  for (const { bytes } of forms.values()) weight += bytes?.byteLength ?? 0;
  return weight;
}
