import type { App } from '../../../app.ts'
import { answers, ProfileList } from '../../../schemas.ts'

export function addProfiles(app: App): void {
  const schema = {
    tags: ['you'],
    summary: 'What may I ask for?',
    description: 'The profiles open to you; the first one is your default.',
    response: answers({ 200: ProfileList }),
  }
  app.get('/profiles', { schema }, ({ grant }) => ({
    // Which interpreter or image a Python version stands for is not the user's business.
    profiles: grant.profiles.map((profile) => ({ ...profile, pythons: Object.keys(profile.pythons) })),
  }))
}
