import t from 'tap'
import { profilesOf } from '../../../proxy/security-model/profiles.ts'
import { securityModel, securityModelSettings } from '../../support/security-model.ts'

const profiles = (...given: object[]) => profilesOf(securityModelSettings({ profiles: given }).profiles)

t.test('the default settings offer one sensible profile', async (t) => {
  t.match(profilesOf(securityModelSettings().profiles), [
    {
      name: 'default',
      groups: [],
      pythons: { '3.12': String },
      cpu: { min: 0.1, default: 1, max: 4 },
      memory: { min: 128 * 2 ** 20, default: 2 ** 30, max: 8 * 2 ** 30 },
      gpu: { min: 0, default: 0, max: 0 },
      replicas: { min: 1, default: 1, max: 1 },
      lifetimeSeconds: { min: 60, default: 8 * 3600, max: 24 * 3600 },
      idleSeconds: { min: 60, default: 3600, max: 24 * 3600 },
      concurrency: { min: 1, default: 4, max: 16 },
    },
  ])
})

t.test('bounds may be Kubernetes quantities', async (t) => {
  const [profile] = profiles({
    name: 'a',
    cpu: { min: '250m', default: 2, max: '8' },
    memory: { max: '16Gi' },
  })
  t.same(profile?.cpu, { min: 0.25, default: 2, max: 8 })
  t.equal(profile?.memory.max, 16 * 2 ** 30)
})

t.test('bounds that make no sense are named, all at once', async (t) => {
  const wrong = [
    { name: 'a', cpu: { min: 2, default: 1 }, memory: { default: '16Gi' } },
    {
      name: 'a',
      cpu: { min: 0.0001 },
      replicas: { min: 0 },
      gpu: { max: 0.5 },
      concurrency: { max: '2500m' },
    },
  ]
  t.throws(() => profiles(...wrong), {
    name: 'SettingsError',
    message: new RegExp(
      [
        'profiles.0.cpu: min, default and max must not decrease',
        'profiles.0.memory: min',
        'profiles.1.name: used by another profile',
        'profiles.1.cpu: values must be multiples of 0.001',
        'profiles.1.gpu: values must be multiples of 1, from 0',
        'profiles.1.replicas: values must be multiples of 1, from 1',
        'profiles.1.concurrency: values must',
      ].join('[^]*'),
    ),
  })
})

t.test('a request without a profile gets the first that is open', async (t) => {
  const settings = { profiles: [{ name: 'staff', groups: ['staff'] }, { name: 'small' }, { name: 'large' }] }
  const { model, grant } = securityModel(settings)
  t.equal(model.approve(grant, { python: '3.12' }).profile, 'small')
  t.equal(model.approve(grant, { python: '3.12', profile: 'large' }).profile, 'large')
  t.throws(() => model.approve(grant, { python: '3.12', profile: 'staff' }), {
    code: 'profile_not_allowed',
    status: 403,
  })
  t.throws(() => model.approve(grant, { python: '3.12', profile: 'none' }), {
    code: 'profile_unknown',
    status: 400,
  })
  const closed = securityModel({ profiles: [settings.profiles[0]] })
  t.throws(() => closed.model.approve(closed.grant, {}), { code: 'profile_not_allowed' })
})
