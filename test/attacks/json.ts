import type { WireAttack } from './attack.ts'
import { API, message, PREFIX, post } from './known.ts'

const GOOD = '{"python":"3.12"}'

function bodies(answers: string, cases: Record<string, string | Buffer>): WireAttack[] {
  return Object.entries(cases).map(([tries, body]) => ({ tries, send: () => post(body), answers }))
}

/** A good body under another media type, or coded otherwise than the headers say. */
function typed(
  answers: string,
  cases: Record<string, { type?: string | null; headers?: string[]; body?: string }>,
) {
  return Object.entries(cases).map(
    ([tries, { type, headers = [], body = GOOD }]): WireAttack => ({
      tries,
      send: () =>
        message({
          method: 'POST',
          target: `${API}/servers`,
          body,
          headers,
          ...(type !== undefined && { type }),
        }),
      answers,
    }),
  )
}

function forms(answers: string, cases: Record<string, string>): WireAttack[] {
  const type = 'application/x-www-form-urlencoded'
  return Object.entries(cases).map(([tries, body]) => ({
    tries,
    send: () => message({ method: 'POST', target: `${PREFIX}/spawn`, body, type }),
    answers,
  }))
}

const deep = (depth: number, open: string, close: string) => open.repeat(depth) + close.repeat(depth)
const utf16 = (text: string) => Buffer.from(`\ufeff${text}`, 'utf16le')

/** Bodies that parsers read in different ways, or not at all. */
export const jsonAttacks: WireAttack[] = [
  ...bodies('body_invalid', {
    'name a field twice': '{"python":"3.12","name":"a","name":"b"}',
    'name a field twice, once escaped': '{"python":"3.12","name":"a","n\\u0061me":"b"}',
    'name a field of the environment twice': '{"python":"3.12","env":{"A":"1","A":"2"}}',
    'name a resource twice': '{"python":"3.12","resources":{"cpu":1,"cpu":64}}',
    'replace the prototype': '{"python":"3.12","__proto__":{"replace":true}}',
    'replace the prototype, escaped': '{"python":"3.12","\\u005f_proto__":{}}',
    'replace the prototype of the resources': '{"python":"3.12","resources":{"__proto__":{"cpu":64}}}',
    'reach the prototype by the constructor':
      '{"python":"3.12","constructor":{"prototype":{"replace":true}}}',
    'name itself': '{"python":"3.12","user":"alice"}',
    'name an owner': '{"python":"3.12","owner":"alice"}',
    'name a namespace': '{"python":"3.12","namespace":"kube-system"}',
    'bring a pod': '{"python":"3.12","pod":{"hostNetwork":true}}',
    'bring a manifest': '{"apiVersion":"batch/v1","kind":"Job","metadata":{"name":"x"},"spec":{}}',
    'bring a command': '{"python":"3.12","command":["sh"]}',
    'bring volumes': '{"python":"3.12","volumes":[{"hostPath":{"path":"/"}}]}',
    'bring an interpreter': '{"python":"3.12","interpreter":"/bin/sh"}',
    'bring labels': '{"python":"3.12","labels":{"app":"rexec-proxy"}}',
    'bring annotations': '{"python":"3.12","annotations":{"rexec.dev/owner":"alice"}}',
    'bring a service account': '{"python":"3.12","serviceAccountName":"default"}',
    'bring a digest': '{"python":"3.12","digest":"00"}',
    'ask for another kind of resource': '{"python":"3.12","resources":{"nvidia.com/gpu":8}}',
    'write a field in capitals': '{"PYTHON":"3.12"}',
    'write a field with a space': '{"python ":"3.12"}',
    'write a field with NUL': '{"python\\u0000":"3.12"}',
    'write a field in full width': '{"ｐython":"3.12"}',
    'write a number beyond all numbers': '{"python":"3.12","resources":{"memory":1e400}}',
    'write minus beyond all numbers': '{"python":"3.12","resources":{"memory":-1e400}}',
    'write a number of 10,000 digits': `{"python":"3.12","resources":{"memory":${'9'.repeat(10_000)}}}`,
    'write NaN': '{"python":"3.12","resources":{"cpu":NaN}}',
    'write Infinity': '{"python":"3.12","resources":{"cpu":Infinity}}',
    'write a hexadecimal number': '{"python":"3.12","replicas":0x1}',
    'write an octal number': '{"python":"3.12","replicas":01}',
    'write a number with a plus': '{"python":"3.12","replicas":+1}',
    'write true as a text': '{"python":"3.12","replace":"true"}',
    'write true as a number': '{"python":"3.12","replace":1}',
    'add a comment': '{"python":"3.12"/* */}',
    'end with a comma': '{"python":"3.12",}',
    'use single quotes': "{'python':'3.12'}",
    'leave out quotes': '{python:"3.12"}',
    'send two objects': `${GOOD}${GOOD}`,
    'send two objects in lines': `${GOOD}\n${GOOD}`,
    'send an object and more': `${GOOD}x`,
    'send an object and NUL': `${GOOD}\0`,
    'send half an object': '{"python":"3.1',
    'send nothing': '',
    'send a space': ' ',
    'send null': 'null',
    'send true': 'true',
    'send a number': '1',
    'send a text': '"python==3.12"',
    'send a list': `[${GOOD}]`,
    'send YAML': 'python: "3.12"',
    'send XML': '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    'send a text with a line break': '{"python":"3.12","name":"a\nb"}',
    'send lists in lists': `{"python":"3.12","requirements":${deep(17, '[', ']')}}`,
    'send far too many lists in lists': deep(50_000, '[', ']'),
    'send far too many objects in objects': `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`,
    'send UTF-16': utf16(GOOD),
    'send UTF-16, the other end first': utf16(GOOD).swap16(),
    'send UTF-32': Buffer.concat([...GOOD].map((letter) => Buffer.from([0, 0, 0, letter.charCodeAt(0)]))),
    'send Latin-1': Buffer.from('{"python":"3.12","env":{"A":"\xe9"}}', 'latin1'),
    'send a letter in too many bytes': Buffer.concat([
      Buffer.from('{"python":"3.12","name":"'),
      Buffer.from([0xc1, 0xa1]),
      Buffer.from('"}'),
    ]),
    'send a surrogate in UTF-8': Buffer.concat([
      Buffer.from('{"python":"3.12","env":{"A":"'),
      Buffer.from([0xed, 0xa0, 0x80]),
      Buffer.from('"}}'),
    ]),
    'send a broken end': Buffer.concat([Buffer.from(GOOD), Buffer.from([0xff])]),
  }),
  ...bodies('body_too_large', {
    'send too much': `{"python":"3.12","env":{"A":"${'x'.repeat(300_000)}"}}`,
    'send too many spaces': ' '.repeat(300_000) + GOOD,
    'send too many requirements': JSON.stringify({ requirements: Array.from({ length: 90_000 }, () => 'a') }),
  }),
  ...typed('media_type_unsupported', {
    'send JSON as text': { type: 'text/plain' },
    'send JSON as a web page': { type: 'text/html' },
    'send JSON as a form': { type: 'application/x-www-form-urlencoded' },
    'send JSON as a file upload': { type: 'multipart/form-data; boundary=x' },
    'send JSON as YAML': { type: 'application/yaml' },
    'send JSON as a patch': { type: 'application/merge-patch+json' },
    'send JSON as another JSON': { type: 'application/vnd.evil+json' },
    'send JSON as text of JSON': { type: 'text/json' },
    'send JSON as anything': { type: '*/*' },
    'send JSON as nothing': { type: null },
    'send JSON as an empty type': { type: '' },
    'send JSON as a kind without a type': { type: 'json' },
    'send a form': { type: 'application/x-www-form-urlencoded', body: 'python=3.12' },
    'send JSON packed': { headers: ['Content-Encoding: gzip'] },
    'send JSON packed in an unknown way': { headers: ['Content-Encoding: evil'] },
  }),
  ...forms('body_invalid', {
    'name an image in a form': 'requirments=python%3D%3D3.12&image=evil.example%2Fa%3A1',
    'name a profile in a form': 'requirments=python%3D%3D3.12&profile=staff',
    'name a user in a form': 'requirments=python%3D%3D3.12&user=alice',
    'set a variable in a form': 'requirments=python%3D%3D3.12&env%5BA%5D=x',
    'set the prototype in a form': 'requirments=python%3D%3D3.12&__proto__%5Breplace%5D=True',
    'say True and False in a form': 'requirments=python%3D%3D3.12&force_reinstall=True&force_reinstall=False',
    'say something else than True in a form': 'requirments=python%3D%3D3.12&force_reinstall=1',
    'show two tokens in a form': 'requirments=python%3D%3D3.12&token=a&token=b',
    'show another token in a form than in the header': 'requirments=python%3D%3D3.12&token=a',
  }),
  ...forms('requirement_invalid', {
    'install from a URL by a form':
      'requirments=python%3D%3D3.12&requirments=https%3A%2F%2Fevil.example%2Fa.whl',
    'add an option by a form':
      'requirments=python%3D%3D3.12&requirments=--index-url%3Dhttps%3A%2F%2Fevil.example',
    'add a line by a form': 'requirments=python%3D%3D3.12&requirments=numpy%0A--pre',
  }),
  ...forms('python_required', {
    'choose two Pythons by a form': 'requirments=python%3D%3D3.12&requirments=python%3D%3D3.11',
    'choose no Python by a form': 'requirments=numpy',
    'choose a Python by a URL in a form': 'requirments=python%20%40%20https%3A%2F%2Fevil.example',
    'send an empty form': '',
  }),
]
