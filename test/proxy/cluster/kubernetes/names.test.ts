import t from 'tap'
import { userId } from '../../../../proxy/cluster/kubernetes/names.ts'

t.test(
  'each user has a user id of the own, the same each time, which is never that of a person of a node',
  async (t) => {
    const users = Array.from({ length: 1000 }, (_, number) => `user-${number}`)
    const ids = users.map(userId)
    t.equal(new Set(ids).size, users.length)
    t.same(users.map(userId), ids)
    const within = (id: number) => id >= 2 ** 30 && id < 2 ** 31
    t.ok([...users, '', 'root'].map(userId).every(within), 'within what Kubernetes takes')
    t.not(userId('Alice'), userId('alice'))
  },
)
