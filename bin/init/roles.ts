import type { Plan } from './plan.ts'

interface Role {
  scopes: string[]
  groups?: string[]
  services?: string[]
}

/** Roles of the hub, by name: who may use the service, and that the tokens of notebooks are good for it. */
export function rolesOf(plan: Plan): Record<string, Role> {
  const { serviceName } = plan
  const access = `access:services!service=${serviceName}`
  const groups = plan['access.groups']
  return {
    ...(groups.length === 0
      ? { user: { scopes: ['self', access] } }
      : { [`${serviceName}-users`]: { scopes: [access], groups } }),
    server: { scopes: ['users:activity!user', 'access:servers!server', access] },
    // So that the servers of users who have left are stopped.
    [serviceName]: { scopes: ['list:users'], services: [serviceName] },
  }
}
