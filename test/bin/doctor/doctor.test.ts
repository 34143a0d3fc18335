import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { main } from '../../../bin/doctor.ts'
import { generateSigningKey } from '../../../common/tokens.ts'
import { hubMissing, startHub } from '../../hub/hub.ts'
import { freePorts } from '../../support/free-port.ts'
import { rexec } from '../../support/rexec-command.ts'
import { startSeparateService } from '../../support/separate-service.ts'
import { BROKER } from '../../support/test-app.ts'
import { diagnose } from './diagnose.ts'

const skip = (await hubMissing()) ?? false

t.test('an installation beside a real hub', { skip }, async (t) => {
  const [port, closed] = (await freePorts(2, '127.0.0.1')) as [number, number]
  const hub = await startHub(t, { serviceUrl: `http://127.0.0.1:${port}` })
  const service = await startSeparateService(t, {
    port,
    proxy: { identity: { authenticators: ['jupyterhub'], jupyterhub: { apiUrl: hub.apiUrl } } },
  })
  const file = (name: string) => join(service.folder, name)
  const settings = JSON.parse(await readFile(file('proxy.yaml'), 'utf8'))
  const env = {
    REXEC_SIGNING_KEY_FILE: file('key.json'),
    REXEC_BROKER_CREDENTIAL_FILE: file('credential'),
    REXEC_HUB_TOKEN: hub.serviceToken,
  }
  const alice = await hub.token('alice')
  /** With other settings than those of the proxy that runs. */
  async function spoil(name: string, change: object) {
    await writeFile(file(name), JSON.stringify({ ...settings, ...change }))
    return { settings: file(name) }
  }

  t.test('beside the proxy, all is well', async (t) => {
    const all = await diagnose({ settings: file('proxy.yaml') }, env)
    t.same(all.wrong, [])
    t.match(all.found('settings', 'settings'), /^ok: .*proxy\.yaml is valid$/)
    t.match(all.found('hub', 'api'), /^ok: JupyterHub 6\.\d.*\nok: the clocks of the hub/)
    t.match(all.found('hub', 'service-token'), /^ok: .*"rexec" \(scopes: .*list:users/)
    t.match(all.found('hub', 'list-users'), /^ok: /)
    t.match(all.found('hub', 'login'), /^ok: /)
    t.match(all.found('proxy', 'ready'), /^ok: /)
    t.match(all.found('proxy', 'credential'), /^ok: /)
    t.match(all.found('proxy', 'keys'), /^ok: /)
    t.match(all.found('broker', 'clients'), /^ok: /)
    t.match(all.found('broker', 'servers'), /^ok: /)
    t.match(all.found('broker', 'call'), /^ok: .*takes this proxy's tokens and asks it back$/)
    for (const secret of [hub.serviceToken, BROKER, (await generateSigningKey()).x!]) {
      t.notOk(all.text.includes(secret), 'no secret is shown')
    }
  })

  t.test('as a command, for a person: a line for each finding, what to do below it, a count', async (t) => {
    const { code, stdout } = await rexec(t, ['doctor', '--settings', file('proxy.yaml')], env).ended
    t.equal(code, 0)
    t.match(stdout, /^hub\n {2}ok {4}JupyterHub 6/m)
    t.match(stdout, /^ {2}warn {2}cluster\.kind is local.*\n {8}-> Set cluster\.kind/m)
    t.match(stdout, /\n\d+ ok, 2 to look at, 0 wrong\n$/)
  })

  t.test('keys and credentials that are not those of who runs', async (t) => {
    await writeFile(file('other-key.json'), JSON.stringify(await generateSigningKey()))
    const all = await diagnose(
      { settings: file('proxy.yaml') },
      {
        REXEC_SIGNING_KEY_FILE: file('other-key.json'),
        REXEC_BROKER_CREDENTIAL: 'another-credential-0123456789abcdef',
        // Of a user, not of a service.
        REXEC_HUB_TOKEN: alice,
      },
    )
    t.match(all.found('hub', 'service-token'), /^fail: the token is that of the user "alice"/)
    t.match(all.found('hub', 'list-users'), /^warn: /)
    t.match(all.found('hub', 'login'), /^fail: .*browsers cannot come in/)
    t.match(all.found('proxy', 'keys'), /^fail: .*does not fit the signing key/)
    t.match(all.found('proxy', 'credential'), /^fail: the proxy has another broker credential/)
    t.match(all.found('broker', 'call'), /^fail: .*it has other keys/)
    t.notOk(all.text.includes(alice))
  })

  t.test('a file with mistakes: all of them, and the rest is looked at nevertheless', async (t) => {
    const from = await spoil('mistakes.yaml', {
      nonsense: 1,
      prefix: '/services/other',
      broker: { ...settings.broker, clientAddress: `tcp://127.0.0.1:${port}` },
      identity: { authenticators: ['jupyterhub'], jupyterhub: { apiUrl: service.url } },
    })
    const all = await diagnose(from, {
      REXEC_SIGNING_KEY: 's3cret',
      REXEC_BROKER_CREDENTIAL_FILE: '/nowhere',
      REXEC_HUB_TOKEN: undefined,
    })
    t.match(all.found('settings', 'settings'), /^fail: nonsense: no such setting$/)
    t.match(all.found('secrets', 'signing-key'), /^fail: REXEC_SIGNING_KEY holds no private Ed25519 key/)
    t.match(all.found('secrets', 'broker-credential'), /^fail: .*\/nowhere cannot be read \(ENOENT\)/)
    t.match(all.found('hub', 'api'), /^fail: .*it is not the API of a JupyterHub$/)
    t.match(all.found('broker', 'clients'), /^fail: .*no broker \(its greeting is not ZMTP\)/)
    t.match(all.found('broker', 'servers'), /^ok: /)
    t.match(all.found('broker', 'call'), /^warn: /)
    t.match(all.found('proxy', 'ready'), /^fail: .*status 404: it is not rexec/)
    t.notMatch(all.text, 's3cret')
  })

  t.test('settings that are valid and do not fit together', async (t) => {
    const server = settings.broker.serverAddresses[0]
    const from = await spoil('apart.yaml', {
      port: closed,
      prefix: '/services/other',
      broker: {
        clientAddress: server,
        externalAddress: 'tcp://nowhere.invalid:5559',
        serverAddresses: [server, `tcp://127.0.0.1:${closed}`],
      },
      identity: {
        authenticators: ['jupyterhub', 'static'],
        jupyterhub: { apiUrl: `http://127.0.0.1:${closed}/hub/api` },
        static: {
          users: [
            { name: 'a', token: 'secret-of-a' },
            { name: 'a', token: 'secret-of-b' },
          ],
        },
      },
      securityModel: { profiles: [{ name: 'none', pythons: {}, groups: ['few'] }] },
    })
    const all = await diagnose(from, env)
    const together = all.found('settings', 'settings-together')
    t.match(all.found('settings', 'settings'), /^fail: identity\.static\.users: two users have the same name/)
    t.match(together, /^fail: prefix \/services\/other does not end in \/services\/rexec/m)
    t.match(together, /^fail: broker: clients are sent to .* the port for servers$/m)
    t.match(together, /^warn: the authenticator "static" is on/m)
    t.match(together, /^fail: profile "none" has no Python version$/m)
    t.match(together, /^warn: every profile is for some groups/m)
    t.match(all.found('hub', 'api'), /^fail: api: nothing listens there/)
    t.match(all.found('proxy', 'ready'), /^fail: ready: nothing listens there/)
    t.match(all.found('broker', 'outside'), /^warn: .*nowhere\.invalid:5559: the name/)
    t.match(all.found('broker', 'servers'), /^ok: .*\nfail: .*nothing listens there \(connection refused\)$/)
    t.notMatch(all.text, 'secret-of')
  })

  t.test('beside the broker', async (t) => {
    const good = await diagnose({ 'broker-settings': file('broker-0.yaml') })
    t.match(good.found('proxy', 'credential'), /^ok: /)
    t.match(good.found('broker', 'listens-for-others'), /^warn: .*\nwarn: /)

    const broker = JSON.parse(await readFile(file('broker-0.yaml'), 'utf8'))
    const write = (name: string, text: string) => writeFile(file(name), text)
    await write('no-keys.json', '{"keys":[]}')
    await write('wrong-credential', 'another-credential-0123456789abcdef')
    await write(
      'bad-broker.yaml',
      JSON.stringify({
        ...broker,
        servers: { host: '127.0.0.1', port: closed },
        publicKeysFile: file('no-keys.json'),
        proxy: { ...broker.proxy, credentialFile: file('wrong-credential') },
      }),
    )
    const bad = await diagnose({ 'broker-settings': file('bad-broker.yaml') })
    t.same(bad.wrong.sort(), ['broker/servers', 'proxy/credential', 'proxy/keys'])
    t.match(bad.found('proxy', 'keys'), /^fail: keys: This is no set of public Ed25519 keys/)

    await write('mistaken-broker.yaml', 'clients: { prot: 1 }\nqueue: { max: 0 }')
    const mistaken = await diagnose({ 'broker-settings': file('mistaken-broker.yaml') })
    t.match(mistaken.found('broker', 'settings'), /^fail: clients\.prot: no such setting\nfail: queue\.max/)
    const missing = await diagnose({ 'broker-settings': '/nowhere.yaml' })
    t.match(missing.found('broker', 'settings'), /^fail: \/nowhere\.yaml: cannot be read \(ENOENT\)/)
  })

  t.test('as a user, through the hub', async (t) => {
    const url = `${hub.url}services/rexec`
    const look = (token?: string, address = url) =>
      diagnose({ url: address }, { JUPYTERHUB_API_TOKEN: token })
    const good = await look(alice)
    t.match(good.found('service', 'index'), /^ok: rexec \d.* answers at/)
    t.match(good.found('you', 'token'), /^ok: you are alice of rexec-users$/)
    t.match(good.found('you', 'profiles'), /^ok: profiles: local \(Python 3\./)
    t.match(good.found('broker', 'broker'), /^ok: /)
    t.notOk(good.text.includes(alice))

    const spawned = await diagnose(
      { url },
      {
        REXEC_TOKEN: (await hub.spawn('carol')).token,
        JUPYTERHUB_API_TOKEN: 'not this one',
      },
    )
    t.match(spawned.found('you', 'token'), /^ok: you are carol/, 'REXEC_TOKEN goes before')

    const bob = await look(await hub.token('bob'))
    t.match(bob.found('you', 'token'), /^fail: refused: scope_missing/)

    t.match(bob.results.find(({ check }) => check === 'token')?.todo, /access:services!service=rexec/)

    const nobody = await look('0123456789abcdef')
    t.match(nobody.found('you', 'token'), /^fail: refused: token_invalid/)
    t.notMatch(nobody.text, '0123456789abcdef')

    const none = await look()
    t.same(none.wrong, ['you/token'])

    const elsewhere = await look(alice, hub.url)
    t.match(elsewhere.found('service', 'index'), /^fail: .*rexec is not there$/)
    const away = await look(alice, `http://127.0.0.1:${closed}/services/rexec`)
    t.match(away.found('service', 'index'), /^fail: index: nothing listens there/)
  })

  t.test('a broker that cannot ask the proxy back, and a hub that is away', async (t) => {
    await service.parts.proxy.stop()
    await hub.stop()
    const all = await diagnose({ settings: file('proxy.yaml') }, env, 8)
    t.match(
      all.found('broker', 'call'),
      /^fail: .*took a token of this proxy, but cannot ask the proxy back$/,
    )
    t.match(all.found('proxy', 'ready'), /^fail: /)
    t.match(all.found('hub', 'api'), /^fail: api: nothing listens there/)
    t.match(all.found('broker', 'clients'), /^ok: /)
  })
})

t.test('a wrong command line', async (t) => {
  const wrong: [string[], RegExp][] = [
    [['--url', 'hub.example.org'], /--url must be an http or https address/],
    [['--url', 'https://u:p@hub.example.org/'], /no password/],
    [['--url', 'https://hub.example.org/?token=s3cret'], /The token goes into REXEC_TOKEN/],
    [['--token', 's3cret'], /Unknown option '--token'/],
    [['--url', 'http://hub/', '--timeout', 'soon'], /--timeout must be a number of seconds/],
  ]
  for (const [args, message] of wrong) {
    const error = await main(args).catch((error: Error) => error)
    t.match(error, { message }, args.join(' '))
    t.notMatch(String(error), 's3cret')
  }
})
