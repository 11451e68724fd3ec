import { capabilityEntry } from '../../core/capabilities.ts';
import { PlatformError, type ErrorCode, type Issue } from '../../core/errors.ts';
import { SHORTEST_MANIFEST } from '../../core/manifest/describe-fault.ts';
import { fileIssues, manifestInvalid, type Manifest } from '../../core/manifest/manifest.ts';
import { readManifest, MAX_MANIFEST_BYTES, type ManifestReading } from '../../core/manifest/read-manifest.ts';
import { unsupportedFields } from '../../core/manifest/unsupported.ts';
import type { Check } from '../../core/progress.ts';
import { isComponent, MANIFEST, SBOM, type BundleContents } from './scan-bundle.ts';

/** A check, and as what a bundle that fails it is refused. */
export interface Finding {
  check: Check;
  fault?: PlatformError;
}

/** Every check of a bundle's contents, in the order in which they are shown. */
export const CONTENT_CHECKS = [
  'hash',
  'archive',
  'manifest',
  'files',
  'ui-entry',
  'capabilities',
  'features',
  'precompiled',
  'reachable',
  'secrets',
  'sbom',
] as const;
export type ContentCheck = (typeof CONTENT_CHECKS)[number];

const ADVISORY: ReadonlySet<string> = new Set(['precompiled', 'reachable', 'secrets', 'sbom']);
const MAX_ISSUES = 50;

const OTHER_FILES = new Set([SBOM, 'metadata.json']);
const FOLDERS = ['ui/', 'wit/'];
/** `main.js.map` or `dist/main.js.map`, of the script that a stack calls `main.js`. */
const SOURCE_MAP = /^(dist\/)?[^/]+\.map$/;

/** Whether a file of a bundle says where the lines of its scripts come from. */
export function isSourceMap(path: string): boolean {
  return SOURCE_MAP.test(path);
}

/** Holds what was found in a bundle against every rule. Each check sees what is right of the manifest, so that one fault hides no other. */
export function checkContents(
  contents: BundleContents,
  expectedSha256: string | undefined,
): { findings: Finding[]; reading: ManifestReading } {
  const reading = readManifestOf(contents);
  const { manifest } = reading;
  const paths = contents.files.map(({ path }) => path);
  const unread = (name: ContentCheck): Finding => skipped(name, 'the manifest could not be read');
  const named = manifest === undefined ? [] : fileIssues(manifest, paths);
  const isUiEntry = ({ path }: Issue): boolean => path === 'ui.entry';
  return {
    reading,
    findings: [
      checkHash(contents.sha256, expectedSha256),
      finding('archive', []),
      finding('manifest', reading.issues, manifestInvalid),
      checkFiles(
        paths,
        manifest,
        named.filter((issue) => !isUiEntry(issue)),
      ),
      ...(manifest === undefined
        ? (['ui-entry', 'capabilities', 'features', 'precompiled', 'reachable'] as const).map(unread)
        : [
            manifest.ui === undefined
              ? skipped('ui-entry', 'the manifest has no "ui"')
              : finding('ui-entry', named.filter(isUiEntry), manifestInvalid),
            finding('capabilities', missingCapabilities(manifest), asCode('CAPABILITY_UNAVAILABLE')),
            finding('features', unsupportedFields(manifest), manifestInvalid),
            finding('precompiled', precompiledIgnored(manifest)),
            reading.issues.length > 0 ? unread('reachable') : finding('reachable', unreachable(manifest)),
          ]),
      finding('secrets', contents.secrets),
      checkSbom(contents, paths),
    ],
  };
}

/** Of a bundle that was not read to its end: of what comes after the fault nothing is known, nor of the whole. */
export function endedBy(fault: PlatformError): Finding[] {
  const failed = fault.code === 'BUNDLE_REJECTED' ? 'files' : 'archive';
  return CONTENT_CHECKS.map((name) =>
    name === failed
      ? { check: failedCheck(name, fault.issues, fault.message), fault }
      : skipped(name, 'the archive was not read to its end'),
  );
}

/** A check that passed if there are no issues; a required one that failed refuses the bundle with the error that `refusal` makes. */
function finding(
  name: string,
  issues: readonly Issue[],
  refusal: (issues: readonly Issue[]) => PlatformError = asCode('BUNDLE_REJECTED'),
): Finding {
  if (issues.length === 0) return { check: { name, result: 'passed', required: !ADVISORY.has(name) } };
  const fault = refusal(issues);
  const detail = ADVISORY.has(name) ? textOf(issues) : fault.message;
  return { check: failedCheck(name, issues, detail), ...(!ADVISORY.has(name) && { fault }) };
}

function failedCheck(name: string, issues: readonly Issue[], detail: string): Check {
  return {
    name,
    result: 'failed',
    required: !ADVISORY.has(name),
    detail,
    issues: issues.slice(0, MAX_ISSUES),
  };
}

function skipped(name: ContentCheck, detail: string): Finding {
  return { check: { name, result: 'skipped', required: !ADVISORY.has(name), detail } };
}

function asCode(code: ErrorCode): (issues: readonly Issue[]) => PlatformError {
  return (issues) => new PlatformError(code, textOf(issues), { issues });
}

function textOf(issues: readonly Issue[]): string {
  const told = issues.slice(0, 10).map(({ path, message }) => (path === '' ? message : `${path} ${message}`));
  return [...told, ...(issues.length > told.length ? [`and ${issues.length - told.length} more`] : [])].join(
    '; ',
  );
}

function checkHash(actual: string, expected: string | undefined): Finding {
  if (expected === undefined || expected === actual) return finding('hash', []);
  const message = `the bytes have the sha256 ${actual}, announced was ${expected}`;
  const fix = `send the bytes again, or announce "sha256": "${actual}"`;
  const issue = { path: '', code: 'hash_mismatch', message, expected, found: actual, fix };
  return finding('hash', [issue], () => {
    const details = { actual, expected };
    return new PlatformError('BUNDLE_CORRUPT', message, { details, issues: [issue] });
  });
}

function readManifestOf({ files, manifestBytes }: BundleContents): ManifestReading {
  if (manifestBytes !== undefined) return readManifest(manifestBytes);
  const there = files.find((file) => file.path === MANIFEST);
  const message = there
    ? `has more than ${MAX_MANIFEST_BYTES} bytes; shorten it`
    : 'is not at the top of the bundle; add it';
  const code = there ? 'too_large' : 'file_missing';
  const expected = `${MANIFEST} of at most ${MAX_MANIFEST_BYTES} bytes`;
  const found = there ? `${there.size} bytes` : 'nothing';
  return { issues: [{ path: '', code, message, expected, found, fix: SHORTEST_MANIFEST }] };
}

function checkFiles(paths: readonly string[], manifest: Manifest | undefined, named: Issue[]): Finding {
  const ignored = new Set(Object.values(manifest?.precompiled ?? {}));
  const stray = paths
    .filter((path) => !isBundlePath(path) && !ignored.has(path))
    .map((path): Issue => {
      const message = 'has no place in a bundle; leave it out or move it to ui/';
      return { path, code: 'stray_file', message, expected: 'manifest.json, entry.wasm, ui/ or wit/' };
    });
  const none: Issue[] = paths.some(isComponent)
    ? []
    : [
        {
          path: '',
          code: 'component_missing',
          message: 'the bundle has no component; add it as entry.wasm',
          expected: 'entry.wasm or dist/main.wasm',
          found: 'nothing',
          fix: 'componentize the handler and add its bytes to the bundle as entry.wasm',
        },
      ];
  const own = [...none, ...stray];
  return finding('files', [...own, ...named], own.length > 0 ? undefined : manifestInvalid);
}

/** Precompiled code is not among them: the platform takes none but its own. */
function isBundlePath(path: string): boolean {
  return (
    path === MANIFEST ||
    isComponent(path) ||
    OTHER_FILES.has(path) ||
    isSourceMap(path) ||
    FOLDERS.some((folder) => path.startsWith(folder))
  );
}

/** A required capability that nobody serves would make every call fail; an optional one the extension can do without. */
function missingCapabilities({ capabilities }: Manifest): Issue[] {
  return capabilities.flatMap(({ name, optional }, at): Issue[] => {
    if (optional || capabilityEntry(name).provided) return [];
    const message = `asks for ${name}, which this platform does not provide; remove it or make it optional`;
    const fix = JSON.stringify({ name, optional: true });
    return [{ path: `capabilities[${at}]`, code: 'not_provided', message, found: JSON.stringify(name), fix }];
  });
}

function precompiledIgnored({ precompiled }: Manifest): Issue[] {
  if (precompiled === undefined) return [];
  const message =
    'does nothing: the platform compiles every component itself and takes no code that a publisher compiled; remove it';
  return [{ path: 'precompiled', code: 'ignored', message, fix: 'remove "precompiled"' }];
}

/** Nothing would ever call it. */
function unreachable({ api, events, schedules }: Manifest): Issue[] {
  if ([api?.endpoints ?? [], events, schedules].some((list) => list.length > 0)) return [];
  const message = 'has no endpoint, event or schedule, so nothing calls the component; declare one';
  const fix = '"api": { "endpoints": [{ "method": "GET", "path": "/", "handler": "main" }] }';
  return [
    { path: 'api.endpoints', code: 'unreachable', message, expected: 'an endpoint', found: 'nothing', fix },
  ];
}

function checkSbom({ sbomBytes }: BundleContents, paths: readonly string[]): Finding {
  if (!paths.includes(SBOM))
    return skipped('sbom', `there is no ${SBOM}: nobody can tell what the extension is made of`);
  const issue = (code: string, message: string): Issue => ({
    path: SBOM,
    code,
    message,
    expected: 'SPDX 2 in JSON',
  });
  if (sbomBytes === undefined) return finding('sbom', [issue('too_large', 'is too large to be looked at')]);
  const fault = spdxFault(sbomBytes);
  return finding('sbom', fault === undefined ? [] : [issue('not_spdx', fault)]);
}

/** SPDX 2.3, clause 6: what every document has. */
function spdxFault(bytes: Uint8Array): string | undefined {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    return 'is not JSON in UTF-8'; // what else would be said of it is in the parser's words
  }
  if (typeof document !== 'object' || document === null) return 'is not an SPDX document';
  if (!('spdxVersion' in document) || !/^SPDX-2\.\d+$/.test(String(document.spdxVersion))) {
    return 'has no "spdxVersion" of the form SPDX-2.3';
  }
  if (!('packages' in document) || !Array.isArray(document.packages) || document.packages.length === 0) {
    return 'names no "packages"';
  }
  return undefined;
}
