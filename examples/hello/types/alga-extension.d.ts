// Made of wit/ by "npm run guest-types".

declare module 'alga:extension/clients' {
  export function listClients(input: ClientsListInput): ClientsListResult;
  export function getClient(clientId: string): ClientSummary | undefined;
  export type ClientReadError = import('alga:extension/types').ClientReadError;
  export type ClientSummary = import('alga:extension/types').ClientSummary;
  export type ClientsListInput = import('alga:extension/types').ClientsListInput;
  export type ClientsListResult = import('alga:extension/types').ClientsListResult;
}

declare module 'alga:extension/context-v2' {
  /**
   * The settings as a JSON object; `{}` without the capability.
   */
  export function getConfig(): string;
  /**
   * `http`, `ui-proxy`, `probe`, `event` or `schedule`.
   */
  export function getTrigger(): string;
}

declare module 'alga:extension/context' {
  export function getContext(): ContextData;
  export type ContextData = import('alga:extension/types').ContextData;
}

declare module 'alga:extension/http' {
  /**
   * An absolute URL, http or https, of a host that the manifest asks for and an admin granted:
   * `{"name": "http.fetch", "scope": {"hosts": ["api.example.com", "*.example.org", "example.net:8443"]}}`. A host without a port is granted
   * at the port of its scheme. It has to be a public one.
   * 
   * Redirects are followed, five at most, as browsers do, and every one has to lead to a granted host too; to another origin no header goes
   * along that may hold a key. The answer is what the last server sent, whatever its status: nothing is decompressed, so ask for no
   * `accept-encoding` that you cannot read. Headers that frame a message (`host`, `content-length`, `connection`, …) are left out.
   * 
   * A body has at most some less than 1 MiB, an answer 8 MiB; an execution sends 100 requests, 8 at once, within its own deadline.
   * 
   * `invalid-url`: no request that could be sent. `not-allowed`: its host, or where it is led. `transport`: no whole answer came.
   * `internal`: more than these limits allow. Why, and what to write into the manifest, is in the log of the execution.
   */
  export function fetch(request: HttpRequest): HttpResponse;
  export type HttpRequest = import('alga:extension/types').HttpRequest;
  export type HttpResponse = import('alga:extension/types').HttpResponse;
  export type HttpError = import('alga:extension/types').HttpError;
}

declare module 'alga:extension/invoicing' {
  /**
   * Where the answer was lost, `error` says that the invoice may have been created.
   */
  export function createManualInvoice(input: CreateManualInvoiceInput): CreateManualInvoiceResult;
  export type CreateManualInvoiceInput = import('alga:extension/types').CreateManualInvoiceInput;
  export type CreateManualInvoiceResult = import('alga:extension/types').CreateManualInvoiceResult;
}

declare module 'alga:extension/logging' {
  export function logInfo(message: string): void;
  export function logWarn(message: string): void;
  export function logError(message: string): void;
}

declare module 'alga:extension/metrics' {
  /**
   * Adds `by`, 0 or more, to the counter `name` (of `a-z0-9_`, a letter first, up to 64) with up to 4 labels.
   */
  export function count(name: string, by: number, labels: Array<MetricLabel>): void;
  /**
   * Records a value in the histogram `name`.
   */
  export function observe(name: string, value: number, labels: Array<MetricLabel>): void;
  /**
   * Both are kept for each value, so values have to be few: never an id or a user's input.
   */
  export interface MetricLabel {
    /**
     * Of `a-z0-9_`, a letter first, up to 32.
     */
    name: string,
    /**
     * Up to 64 characters, none of them a control character.
     */
    value: string,
  }
}

declare module 'alga:extension/random' {
  /**
   * As many as asked for, from a source that is fit for keys; the guest traps at more than 1 MiB at once.
   */
  export function getRandomBytes(len: number): Uint8Array;
  export function getRandomU64(): bigint;
}

declare module 'alga:extension/scheduler' {
  export function listSchedules(): Array<ScheduleInfo>;
  export function getSchedule(scheduleId: string): ScheduleInfo | undefined;
  export function createSchedule(input: CreateScheduleInput): CreateScheduleResult;
  export function updateSchedule(scheduleId: string, input: UpdateScheduleInput): UpdateScheduleResult;
  export function deleteSchedule(scheduleId: string): DeleteScheduleResult;
  export function getEndpoints(): Array<EndpointInfo>;
  export type SchedulerError = import('alga:extension/types').SchedulerError;
  export type ScheduleInfo = import('alga:extension/types').ScheduleInfo;
  export type EndpointInfo = import('alga:extension/types').EndpointInfo;
  export type CreateScheduleInput = import('alga:extension/types').CreateScheduleInput;
  export type CreateScheduleResult = import('alga:extension/types').CreateScheduleResult;
  export type UpdateScheduleInput = import('alga:extension/types').UpdateScheduleInput;
  export type UpdateScheduleResult = import('alga:extension/types').UpdateScheduleResult;
  export type DeleteScheduleResult = import('alga:extension/types').DeleteScheduleResult;
}

declare module 'alga:extension/secrets' {
  export function get(key: string): string;
  export function listKeys(): Array<string>;
  export type SecretError = import('alga:extension/types').SecretError;
}

declare module 'alga:extension/services' {
  export function listServices(input: ServicesListInput): ServicesListResult;
  export function getService(serviceId: string): ServiceSummary | undefined;
  export type ServiceReadError = import('alga:extension/types').ServiceReadError;
  export type ServiceSummary = import('alga:extension/types').ServiceSummary;
  export type ServicesListInput = import('alga:extension/types').ServicesListInput;
  export type ServicesListResult = import('alga:extension/types').ServicesListResult;
}

declare module 'alga:extension/storage-v2' {
  export function get(namespace: string, key: string): Entry;
  /**
   * Answers the record's new revision.
   */
  export function put(namespace: string, entry: NewEntry): bigint;
  /**
   * With a revision, that one and no other.
   */
  export { _delete as delete };
  function _delete(namespace: string, key: string, revision: bigint | undefined): void;
  /**
   * Up to `limit` entries (1 to 100; 100 without it) whose keys begin with `prefix`. A page holds at most 256 KiB of values, so it may be
   * shorter; its cursor alone tells whether more is left. Whatever is there from the first page to the last is on exactly one of them.
   */
  export function listEntries(namespace: string, prefix: string, cursor: string | undefined, limit: number | undefined): Page;
  /**
   * Adds to a counter, whoever else does at the same time, and answers the sum. One that is not there begins as `start` says, or with 0
   * and no end; one that is there keeps its end. Its value is the sum's decimal text, such as `42` or `-7`, also for `get` and `put`.
   */
  export function increment(namespace: string, key: string, delta: bigint, start: CounterStart | undefined): bigint;
  /**
   * Up to 100 records of different keys, in their order; none for one that is not there.
   */
  export function getMany(namespace: string, keys: Array<string>): Array<Entry | undefined>;
  /**
   * Up to 100 records of different keys, and 256 KiB of values; all of them or, if one fails, none. Answers revisions in their order.
   */
  export function putMany(namespace: string, entries: Array<NewEntry>): BigUint64Array;
  /**
   * Up to 100 records of different keys, at once. Answers in their order whether each was there.
   */
  export function deleteMany(namespace: string, keys: Array<string>): Array<boolean>;
  export type StorageError = StorageErrorMissing | StorageErrorConflict | StorageErrorDenied | StorageErrorLimit | StorageErrorInvalid | StorageErrorNotACounter | StorageErrorOverflow | StorageErrorBusy | StorageErrorInternal;
  export interface StorageErrorMissing {
    tag: 'missing',
  }
  /**
   * The record has another revision than the one given, or is there though 0 was given. Nothing was changed.
   */
  export interface StorageErrorConflict {
    tag: 'conflict',
  }
  export interface StorageErrorDenied {
    tag: 'denied',
  }
  /**
   * A quota of the install, or a bound of one call: which one, in words. Nothing was changed.
   */
  export interface StorageErrorLimit {
    tag: 'limit',
    val: string,
  }
  /**
   * What is wrong with the arguments, in words. Nothing was changed.
   */
  export interface StorageErrorInvalid {
    tag: 'invalid',
    val: string,
  }
  /**
   * The record's value is not the decimal text of a signed 64-bit integer.
   */
  export interface StorageErrorNotACounter {
    tag: 'not-a-counter',
  }
  /**
   * The sum would be no signed 64-bit integer. The record is as it was.
   */
  export interface StorageErrorOverflow {
    tag: 'overflow',
  }
  /**
   * Too many calls of the install or its tenant wait already. Nothing was changed; try again.
   */
  export interface StorageErrorBusy {
    tag: 'busy',
  }
  /**
   * The platform failed. Whether a change was made is not known.
   */
  export interface StorageErrorInternal {
    tag: 'internal',
  }
  export interface Entry {
    key: string,
    value: Uint8Array,
    revision: bigint,
    /**
     * Milliseconds since 1970; from then on the record is not there any more.
     */
    expiresAt?: bigint,
  }
  export interface NewEntry {
    key: string,
    /**
     * At most 64 KiB.
     */
    value: Uint8Array,
    /**
     * With a revision the put replaces that one and no other; with 0 it creates, and replaces nothing. Without one it does either.
     */
    revision?: bigint,
    /**
     * From 1 on. Without it the record stays until it is deleted, whatever the one before had.
     */
    ttlSeconds?: number,
  }
  export interface Page {
    /**
     * In the order of their keys' bytes.
     */
    entries: Array<Entry>,
    /**
     * For the next page; none if nothing is left.
     */
    cursor?: string,
  }
  /**
   * What a counter that is not there yet begins with.
   */
  export interface CounterStart {
    initial: bigint,
    ttlSeconds?: number,
  }
}

declare module 'alga:extension/storage' {
  export function get(namespace: string, key: string): StorageEntry;
  /**
   * Answers with the entry as stored, its new revision included.
   */
  export function put(entry: StorageEntry): StorageEntry;
  export { _delete as delete };
  function _delete(namespace: string, key: string): void;
  /**
   * Up to 100 entries in key order; `cursor` is the last key of the page before.
   */
  export function listEntries(namespace: string, cursor: string | undefined): Array<StorageEntry>;
  export type StorageEntry = import('alga:extension/types').StorageEntry;
  export type StorageError = import('alga:extension/types').StorageError;
}

declare module 'alga:extension/types' {
  export interface ContextData {
    requestId?: string,
    tenantId: string,
    extensionId: string,
    installId?: string,
    versionId?: string,
  }
  export interface HttpHeader {
    name: string,
    value: string,
  }
  /**
   * `url` is path and query as the client sent them below the extension's own root, e.g. `/hello/Ada?lang=en`.
   */
  export interface HttpRequest {
    method: string,
    url: string,
    headers: Array<HttpHeader>,
    body?: Uint8Array,
  }
  export interface HttpResponse {
    status: number,
    headers: Array<HttpHeader>,
    body?: Uint8Array,
  }
  /**
   * # Variants
   * 
   * ## `"invalid-url"`
   * 
   * ## `"not-allowed"`
   * 
   * ## `"transport"`
   * 
   * ## `"internal"`
   */
  export type HttpError = 'invalid-url' | 'not-allowed' | 'transport' | 'internal';
  /**
   * # Variants
   * 
   * ## `"missing"`
   * 
   * ## `"denied"`
   * 
   * ## `"expired"`
   * 
   * ## `"internal"`
   */
  export type SecretError = 'missing' | 'denied' | 'expired' | 'internal';
  /**
   * # Variants
   * 
   * ## `"missing"`
   * 
   * ## `"conflict"`
   * 
   * ## `"denied"`
   * 
   * ## `"internal"`
   */
  export type StorageError = 'missing' | 'conflict' | 'denied' | 'internal';
  /**
   * `revision` on a put: the revision the caller read, or 0 if it found none; the put fails with `conflict` if that is no longer so.
   * Without one the put overwrites.
   */
  export interface StorageEntry {
    namespace: string,
    key: string,
    value: Uint8Array,
    revision?: bigint,
  }
  /**
   * # Variants
   * 
   * ## `"route-not-found"`
   * 
   * ## `"denied"`
   * 
   * ## `"bad-request"`
   * 
   * ## `"internal"`
   */
  export type ProxyError = 'route-not-found' | 'denied' | 'bad-request' | 'internal';
  export interface UserData {
    tenantId: string,
    clientName: string,
    userId: string,
    userEmail: string,
    userName: string,
    userType: string,
    clientId?: string,
  }
  export interface UserDataV2 {
    tenantId: string,
    clientName: string,
    userId: string,
    userEmail: string,
    userName: string,
    userType: string,
    clientId?: string,
  }
  /**
   * # Variants
   * 
   * ## `"not-available"`
   * 
   * ## `"not-allowed"`
   */
  export type UserError = 'not-available' | 'not-allowed';
  /**
   * # Variants
   * 
   * ## `"not-found"`
   * 
   * ## `"validation-failed"`
   * 
   * ## `"quota-exceeded"`
   * 
   * ## `"denied"`
   * 
   * ## `"internal"`
   */
  export type SchedulerError = 'not-found' | 'validation-failed' | 'quota-exceeded' | 'denied' | 'internal';
  /**
   * `payload` is JSON.
   */
  export interface ScheduleInfo {
    id: string,
    endpointPath: string,
    endpointMethod: string,
    name?: string,
    cron: string,
    timezone: string,
    enabled: boolean,
    payload?: string,
    lastRunAt?: string,
    lastRunStatus?: string,
    lastError?: string,
    createdAt?: string,
  }
  export interface EndpointInfo {
    id: string,
    method: string,
    path: string,
    handler: string,
    schedulable: boolean,
  }
  export interface CreateScheduleInput {
    endpoint: string,
    cron: string,
    timezone?: string,
    enabled?: boolean,
    name?: string,
    payload?: string,
  }
  /**
   * `field-errors` is a JSON object of messages by field.
   */
  export interface CreateScheduleResult {
    success: boolean,
    scheduleId?: string,
    error?: string,
    fieldErrors?: string,
  }
  /**
   * An empty `payload` clears it.
   */
  export interface UpdateScheduleInput {
    endpoint?: string,
    cron?: string,
    timezone?: string,
    enabled?: boolean,
    name?: string,
    payload?: string,
  }
  export interface UpdateScheduleResult {
    success: boolean,
    error?: string,
    fieldErrors?: string,
  }
  export interface DeleteScheduleResult {
    success: boolean,
    error?: string,
  }
  /**
   * # Variants
   * 
   * ## `"percentage"`
   * 
   * ## `"fixed"`
   */
  export type DiscountType = 'percentage' | 'fixed';
  export interface ManualInvoiceItemInput {
    serviceId: string,
    quantity: number,
    description: string,
    rate: number,
    isDiscount?: boolean,
    discountType?: DiscountType,
    appliesToItemId?: string,
    appliesToServiceId?: string,
  }
  /**
   * Dates are `YYYY-MM-DD`.
   */
  export interface CreateManualInvoiceInput {
    clientId: string,
    items: Array<ManualInvoiceItemInput>,
    invoiceDate?: string,
    dueDate?: string,
    poNumber?: string,
  }
  /**
   * `field-errors` is a JSON object of messages by field.
   */
  export interface CreateManualInvoiceResult {
    success: boolean,
    invoiceId?: string,
    invoiceNumber?: string,
    status?: string,
    subtotal?: number,
    tax?: number,
    total?: number,
    error?: string,
    fieldErrors?: string,
  }
  /**
   * # Variants
   * 
   * ## `"not-allowed"`
   * 
   * ## `"invalid-input"`
   * 
   * ## `"internal"`
   */
  export type ClientReadError = 'not-allowed' | 'invalid-input' | 'internal';
  export interface ClientSummary {
    clientId: string,
    clientName: string,
    clientType?: string,
    isInactive: boolean,
    defaultCurrencyCode?: string,
    accountManagerId?: string,
    accountManagerName?: string,
    billingEmail?: string,
  }
  export interface ClientsListInput {
    search?: string,
    includeInactive?: boolean,
    page?: number,
    pageSize?: number,
  }
  export interface ClientsListResult {
    items: Array<ClientSummary>,
    totalCount: number,
    page: number,
    pageSize: number,
  }
  /**
   * # Variants
   * 
   * ## `"not-allowed"`
   * 
   * ## `"invalid-input"`
   * 
   * ## `"internal"`
   */
  export type ServiceReadError = 'not-allowed' | 'invalid-input' | 'internal';
  /**
   * # Variants
   * 
   * ## `"service"`
   * 
   * ## `"product"`
   */
  export type ServiceItemKind = 'service' | 'product';
  /**
   * # Variants
   * 
   * ## `"fixed"`
   * 
   * ## `"hourly"`
   * 
   * ## `"usage"`
   */
  export type ServiceBillingMethod = 'fixed' | 'hourly' | 'usage';
  export interface ServiceSummary {
    serviceId: string,
    serviceName: string,
    itemKind: ServiceItemKind,
    billingMethod: ServiceBillingMethod,
    serviceTypeId?: string,
    serviceTypeName?: string,
    defaultRate: number,
    unitOfMeasure: string,
    isActive: boolean,
    sku?: string,
  }
  export interface ServicesListInput {
    search?: string,
    itemKind?: ServiceItemKind,
    isActive?: boolean,
    billingMethod?: ServiceBillingMethod,
    page?: number,
    pageSize?: number,
  }
  export interface ServicesListResult {
    items: Array<ServiceSummary>,
    totalCount: number,
    page: number,
    pageSize: number,
  }
  export interface ExecuteRequest {
    context: ContextData,
    http: HttpRequest,
  }
  export interface ExecuteResponse {
    status: number,
    headers: Array<HttpHeader>,
    body?: Uint8Array,
  }
}

declare module 'alga:extension/ui-proxy' {
  export function callRoute(route: string, payload: Uint8Array | undefined): Uint8Array;
  export type ProxyError = import('alga:extension/types').ProxyError;
}

declare module 'alga:extension/user-v2' {
  export function getUser(): UserDataV2;
  export type UserDataV2 = import('alga:extension/types').UserDataV2;
  export type UserError = import('alga:extension/types').UserError;
}

declare module 'alga:extension/user' {
  export function getUser(): UserData;
  export type UserData = import('alga:extension/types').UserData;
  export type UserError = import('alga:extension/types').UserError;
}
