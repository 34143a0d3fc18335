import t from 'tap'
import { type Group, groupTimes, selfTimes } from '../../bench/cpu-profile.ts'

const frames: [functionName: string, url: string, group: Group][] = [
  ['push', 'file:///somewhere/rexec/broker/zmtp/parser.ts', 'ours'],
  ['onStreamRead', 'node:internal/stream_base_commons', 'node net'],
  ['processTicksAndRejections', 'node:internal/process/task_queues', 'node other'],
  ['sign', 'file:///somewhere/rexec/node_modules/jose/index.js', 'packages'],
  ['writev', '', 'native'],
  ['(garbage collector)', '', 'GC'],
  ['(program)', '', 'program'],
  ['(idle)', '', 'idle'],
]

const nodes = frames.map(([functionName, url], id) => ({
  id,
  callFrame: { functionName, url, lineNumber: 9 },
}))

t.test('self times are summed by function and grouped', async (t) => {
  const times = selfTimes({
    nodes,
    startTime: 0,
    samples: [0, 0, 1, 2, 3, 4, 5, 6, 7],
    timeDeltas: [2e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6],
  })
  t.same(times[0], { group: 'ours', name: 'push broker/zmtp/parser.ts:10', seconds: 3 })
  t.same(
    times.map(({ group }) => group),
    frames.map(([, , group]) => group),
  )
  t.same(groupTimes(times)[0], ['ours', 3])
})

t.test('what was before the load does not count', async (t) => {
  const times = selfTimes({ nodes, startTime: 5e6, samples: [0, 1], timeDeltas: [1e6, 1e6] }, 6.5e6)
  t.same(times, [
    { group: 'node net', name: 'onStreamRead node:internal/stream_base_commons:10', seconds: 1 },
  ])
})
