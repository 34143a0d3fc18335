import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { glob } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { cacheFolder } from '../../../bin/folders.ts'

/** What tells clusters that run at the same time on one machine apart; everything that one makes is named by it. */
export interface Slot {
  /** Of the cgroups, and of the host's end of the cable to the node. */
  name: string
  /** Its files, which go with it. */
  folder: string
  /** The host's address on the cable, and the node's. */
  hostAddress: string
  nodeAddress: string
  podCidr: string
  /** The node's address in podCidr. */
  podGateway: string
  /**
   * The claim to it: a socket that has a name but no file. The kernel gives the name to one at a time and takes it back
   * when all processes that have the socket have ended, however they did. To be passed on to such a process.
   */
  claim: number
  /** Lets go of it here. */
  release(): void
}

/** Pod addresses are 10.100.0.0 to 10.149.0.255. */
const SLOTS = 50

const PREFIX = 'rexec-node'

/** Takes the first slot that is free. @throws Error when there is none */
export async function claimSlot(): Promise<Slot> {
  for (let number = 0; number < SLOTS; number++) {
    const claim = await tryToClaim(number)
    if (claim) return describe(number, claim)
  }
  throw new Error(`${SLOTS} clusters run already`)
}

/** Takes away what clusters have left behind whose processes are all dead. */
export async function sweepSlots(): Promise<void> {
  const left = new Set<number>()
  for await (const path of glob([`/sys/fs/cgroup/*/${PREFIX}*`, join(cacheFolder('nodes'), `${PREFIX}*`)])) {
    left.add(Number(path.slice(path.lastIndexOf(PREFIX) + PREFIX.length)))
  }
  for (const number of left) {
    const claim = await tryToClaim(number)
    if (!claim) continue
    const { name, folder, release } = describe(number, claim)
    await once(spawn(join(import.meta.dirname, 'remains.sh'), [name, folder], { stdio: 'inherit' }), 'close')
    release()
  }
}

function describe(number: number, claim: Server): Slot {
  const name = `${PREFIX}${number}`
  return {
    name,
    folder: join(cacheFolder('nodes'), name),
    hostAddress: `198.19.${number}.1`,
    nodeAddress: `198.19.${number}.2`,
    podCidr: `10.${100 + number}.0.0/24`,
    podGateway: `10.${100 + number}.0.1`,
    // node:net has no other way to its descriptor.
    claim: (claim as unknown as { _handle: { fd: number } })._handle.fd,
    release: () => claim.close(),
  }
}

async function tryToClaim(number: number): Promise<Server | undefined> {
  const server = createServer().unref()
  server.listen(`\0${PREFIX}${number}`)
  try {
    await once(server, 'listening')
    return server
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') return undefined
    throw error
  }
}
