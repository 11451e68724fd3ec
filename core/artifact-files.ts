// What lies in an artifact's archive. The first file by its name is what all else is read by.

export const METADATA_FILE = 'artifact.json';
export const GLUE_FILE = 'glue.js';
/** Core modules are in it, by their names. */
export const CORE_FOLDER = 'core/';
