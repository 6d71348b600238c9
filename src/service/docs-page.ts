import type { FastifySwaggerUiOptions } from '@fastify/swagger-ui'

/** Three groups that overlap in one. */
const LOGO = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 40" height="40" role="img" aria-label="Commonweal">
<g fill-opacity=".85"><circle cx="15" cy="15" r="10" fill="#e8a33d"/><circle cx="27" cy="15" r="10" fill="#3d8ee8"/>
<circle cx="21" cy="26" r="10" fill="#5bb26f"/></g>
<text x="46" y="27" font-family="system-ui,sans-serif" font-size="21" font-weight="600" fill="#fff">Commonweal</text></svg>`

const MARK = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 42 40"><g fill-opacity=".85">
<circle cx="15" cy="15" r="10" fill="#e8a33d"/><circle cx="27" cy="15" r="10" fill="#3d8ee8"/>
<circle cx="21" cy="26" r="10" fill="#5bb26f"/></g></svg>`

// The bar at the top asks for the address of a document, of which there is only one here.
const CSS = '.swagger-ui .topbar .download-url-wrapper { display: none }'

/** How /docs looks. */
export const docsPage: FastifySwaggerUiOptions = {
  routePrefix: '/docs',
  uiConfig: { tryItOutEnabled: true, docExpansion: 'list' },
  logo: { type: 'image/svg+xml', content: Buffer.from(LOGO), href: '/docs' },
  theme: {
    title: 'Commonweal',
    css: [{ filename: 'commonweal.css', content: CSS }],
    favicon: [
      { filename: 'mark.svg', rel: 'icon', sizes: 'any', type: 'image/svg+xml', content: Buffer.from(MARK) },
    ],
  },
}
