import type { FastifyRequest } from 'fastify'
import { externalUrl } from '../external-url.ts'
import type { ProxySettings } from '../settings.ts'

// What a browser says of a request, in headers that no script can set (https://w3c.github.io/webappsec-fetch-metadata/).
// They are there over https and on localhost. On a hub without TLS they are missing, and with them this protection.

/** What the service's address follows from. */
type Address = Pick<ProxySettings, 'publicUrl' | 'prefix'>

/** Whether somebody wants to read a page: an address typed, or a link followed. Programs that say nothing do not. */
export function wantsPage({ headers }: FastifyRequest): boolean {
  const mode = headers['sec-fetch-mode']
  return mode === undefined ? /\btext\/html\b/i.test(headers.accept ?? '') : mode === 'navigate'
}

/**
 * Whether the answer goes into a window of its own: not to a script, not into a frame, and not to a service worker that
 * passes on what a window asks for (its destination is "empty") or has the answer preloaded. Over https a browser that does
 * not tell is not believed. Of a GET a service worker may still get the very answer that the window gets, by the source
 * "race-network-and-fetch-handler" of its routes (https://w3c.github.io/ServiceWorker/, "Handle Fetch").
 */
export function isOwnWindow(request: FastifyRequest, address: Address): boolean {
  if ('service-worker-navigation-preload' in request.headers) return false
  const { 'sec-fetch-mode': mode, 'sec-fetch-dest': destination } = request.headers
  if (mode === undefined && destination === undefined) return !isHttps(request, address)
  return mode === 'navigate' && destination === 'document'
}

/** Whether a page of this host has sent a form, as far as the browser tells. */
export function isSameOrigin(request: FastifyRequest, address: Address): boolean {
  const { origin, 'sec-fetch-site': site } = request.headers
  if (site !== undefined) return site === 'same-origin'
  // Hosts alone: behind a proxy that ends TLS the scheme may be lost. A hub may have several.
  const hosts = [request.host, new URL(externalUrl(request, address)).host]
  return hosts.includes(URL.parse(origin ?? '')?.host ?? '')
}

export function isHttps(request: FastifyRequest, address: Address): boolean {
  return externalUrl(request, address).startsWith('https:')
}
