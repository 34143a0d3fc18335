import { runProgram } from '../images/program.ts'
import type { Machine } from './machine.ts'
import type { Slot } from './slot.ts'

/**
 * A cable (veth) between the host and a machine, and the host's route to its pods. Nothing that comes out of it is
 * forwarded: a pod can reach the host itself and nothing behind it.
 */
export async function connect(machine: Machine, slot: Slot): Promise<void> {
  const { name, hostAddress, nodeAddress, podCidr } = slot
  const ip = (line: string) => runProgram('ip', line.split(' '))
  await ip(`link add ${name} type veth peer name eth0 netns ${machine.pid}`)
  await ip(`address add ${hostAddress}/30 dev ${name}`)
  await ip(`link set ${name} up`)
  await runProgram('sysctl', ['-qw', `net.ipv4.conf.${name}.forwarding=0`])
  await machine.run('network', [
    'bash',
    '-ec',
    `ip address add ${nodeAddress}/30 dev eth0
     ip link set eth0 up
     ip route add default via ${hostAddress}
     sysctl -qw net.ipv4.ip_forward=1`,
  ])
  await ip(`route add ${podCidr} via ${nodeAddress}`)
}
