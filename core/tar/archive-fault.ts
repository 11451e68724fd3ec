import { PlatformError } from '../errors.ts';

/** Each thing that makes bytes no bundle, whatever the tool that wrote them. */
export type ArchiveFault =
  // zstd
  | 'zstd_magic'
  | 'zstd_dictionary'
  | 'zstd_block'
  | 'zstd_truncated'
  | 'zstd_trailing'
  | 'zstd_window'
  | 'zstd_data'
  // tar headers
  | 'header_checksum'
  | 'header_format'
  | 'header_number'
  | 'header_name'
  | 'entry_type'
  | 'entry_link'
  | 'entry_device'
  | 'folder_content'
  // pax
  | 'pax_record'
  | 'pax_key'
  | 'pax_size'
  | 'pax_order'
  // names
  | 'path_empty'
  | 'path_unicode'
  | 'path_control'
  | 'path_backslash'
  | 'path_absolute'
  | 'path_normal_form'
  | 'path_climbs'
  | 'path_segment'
  | 'path_repeated'
  | 'path_case'
  | 'path_file_and_folder'
  // the whole
  | 'tar_truncated'
  | 'tar_padding'
  | 'tar_trailing'
  | 'hash_mismatch';

/** BUNDLE_CORRUPT, with one issue that says what is wrong in a word. `path` is the entry's, where there is one. */
export function archiveFault(
  code: ArchiveFault,
  message: string,
  { path = '', cause }: { path?: string; cause?: unknown } = {},
): PlatformError {
  return new PlatformError('BUNDLE_CORRUPT', message, { issues: [{ path, code, message }], cause });
}
