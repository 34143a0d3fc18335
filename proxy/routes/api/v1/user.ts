import type { App } from '../../../app.ts'
import { answers, UserBody } from '../../../schemas.ts'

export function addUser(app: App): void {
  const schema = { tags: ['you'], summary: 'Who am I?', response: answers({ 200: UserBody }) }
  app.get('/user', { schema }, ({ grant: { user, group } }) => ({
    ...user,
    ...(group !== undefined && { allowedBy: group }),
  }))
}
