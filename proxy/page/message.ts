/** A page without a script that says one thing: why a login failed, how to go on. */
export interface Message {
  title: string
  /** Plain text, a paragraph each. */
  paragraphs: string[]
  links?: { text: string; href: string }[]
  code?: string
  /** Small print. */
  note?: string
}

/** Addresses in it are relative to the prefix. */
export function messagePage({ title, paragraphs, links = [], code, note }: Message): string {
  return `<!doctype html>
<html lang="en">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>${escapeHtml(title)} · rexec</title>
  <link rel="icon" href="page/icon.svg" type="image/svg+xml">
  <link rel="stylesheet" href="page/page.css">
</head>
<body class="message">
  <main>
    <p class="brand">rexec</p>
    <h1>${escapeHtml(title)}</h1>
    ${paragraphs.map((text) => `<p>${escapeHtml(text)}</p>`).join('\n    ')}
    ${code === undefined ? '' : `<pre class="code">${escapeHtml(code)}</pre>`}
    ${links.length === 0 ? '' : `<p class="links">${links.map(({ text, href }) => `<a href="${escapeHtml(href)}">${escapeHtml(text)}</a>`).join(' ')}</p>`}
    ${note === undefined ? '' : `<p class="note">${escapeHtml(note)}</p>`}
  </main>
</body>
</html>
`
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
