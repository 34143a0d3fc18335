import t from 'tap'
import { environmentToPassOn } from '../../../../proxy/cluster/local/environment.ts'

t.test('workers get what a program needs to find its way, and nothing else', async (t) => {
  const needed = {
    PATH: '/bin',
    HOME: '/home/alice',
    LC_ALL: 'C',
    TZ: 'UTC',
    PIP_INDEX_URL: 'https://pypi.example.org',
    UV_CACHE_DIR: '/cache',
    https_proxy: 'http://proxy:3128',
  }
  const others = {
    REXEC_BROKER_CREDENTIAL: 'secret',
    JUPYTERHUB_API_TOKEN: 'secret',
    AWS_SECRET_ACCESS_KEY: 'secret',
    NODE_OPTIONS: '--inspect',
    LD_PRELOAD: '/lib/evil.so',
    PYTHONPATH: '/lib/evil',
    MY_PATH: '/x',
    TMPDIR: undefined,
  }
  t.same(environmentToPassOn({ ...needed, ...others }), needed)
})
