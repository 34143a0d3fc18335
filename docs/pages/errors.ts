import { errorTable } from '../../common/errors.ts'

/** docs/reference/errors.md: the error table, one row a code, in the table's own order. */
export function errorsPage(): string {
  const rows = Object.entries(errorTable).map(
    ([code, { status, says }]) => `| \`${code}\` | ${status} | ${says.replaceAll('|', '\\|')} |`,
  )
  return `# Errors

Every refusal and failure has a stable code. Over HTTP it stands in the \`code\` of an
[RFC 9457](https://www.rfc-editor.org/rfc/rfc9457) answer (\`application/problem+json\`); a call that fails raises
\`RuntimeError\` with the sentence, and the code in brackets at its end. For errors that only calls meet, the status is
the one they would have over HTTP.

<!-- Made by \`npm run docs\` from common/errors.ts: do not edit. -->

| code | status | what it says |
|---|---|---|
${rows.join('\n')}
`
}
