import type { ObjectStoreConfig } from '../config/environment.ts';
import { createFolderObjectStore } from './folder-object-store.ts';
import type { ObjectStore } from './object-store.ts';
import { createS3ObjectStore } from './s3-object-store.ts';

export function createObjectStore(config: ObjectStoreConfig): ObjectStore {
  switch (config.kind) {
    case 'folder':
      return createFolderObjectStore(config);
    case 's3':
      return createS3ObjectStore(config);
  }
}
