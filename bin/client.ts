import { findPythons, probePython } from '../proxy/cluster/local/pythons.ts'

/** The unmodified client from PyPI, and what it imports but does not declare. */
export const CLIENT = ['scidx-rexec==0.1.0', 'requests==2.32.5']

/** What its pinned packages have wheels for, the best first. (Its dxspaces wants numpy 1, whose last wheels are for 3.12.) */
export const CLIENT_PYTHONS = ['3.12', '3.11', '3.10', '3.9']

/** python3, unless the client cannot be installed for its version and there is another one. */
export async function choosePython(): Promise<string> {
  const usual = await probePython('python3', process.env)
  if (usual?.hasVenv && CLIENT_PYTHONS.includes(usual.version)) return usual.path
  const pythons = await findPythons(process.env)
  const version = CLIENT_PYTHONS.find((candidate) => pythons[candidate])
  return version ? pythons[version]! : 'python3'
}
