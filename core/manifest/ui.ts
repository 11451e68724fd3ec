import { z } from 'zod';

const label = z.string().min(1).max(100);

/** A file of the bundle that the browser loads. `checkManifestAgainstFiles` tells whether it is there. */
export const uiFile = z
  .string()
  .max(255)
  .startsWith('ui/', 'must be a file of the bundle under "ui/"')
  .refine((path) => !/[\\?#]|\/\.{0,2}(\/|$)/.test(path), 'must be a plain path without "..", "?" or "#"');

/** A route within the extension's own UI. */
const route = z
  .string()
  .max(200)
  .regex(/^\/[^\s?#\\]*$/, 'must be a path that begins with "/"');

const source = z
  .string()
  .max(260)
  .regex(
    /^(https|wss):\/\/(\*\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?$/,
    'must be an origin such as https://api.example.com, with https or wss and without a path',
  );
const sources = z.array(source).max(50).default([]);

const menu = z.strictObject({ label, icon: uiFile.optional(), route: route.optional() });
const slot = z.string().regex(/^[a-z][a-z0-9.-]{0,63}$/, 'must name a place of the host application');

const hooks = z.strictObject({
  appMenu: menu.optional(),
  clientPortalMenu: menu.optional(),
  /** Tabs on the host application's own pages, such as a client's. */
  tab: z.array(z.strictObject({ slot, label, route })).max(20).optional(),
  /** Regions of the host application's pages that are left for extensions. */
  placeholder: z.array(z.strictObject({ slot, route })).max(20).optional(),
});

const csp = z.strictObject({ connect: sources, img: sources, font: sources, frame: sources });

export const ui = z.strictObject({
  type: z.literal('iframe'),
  entry: uiFile,
  hooks: hooks.optional(),
  routes: z
    .array(z.strictObject({ path: route, iframePath: uiFile.optional(), title: label.optional() }))
    .max(100)
    .optional(),
  csp: csp.optional(),
});
