import type { Plan } from './plan.ts'
import { rolesOf } from './roles.ts'

/** The part of jupyterhub_config.py. JSON of texts and lists is Python as well. */
export function jupyterhubConfig(plan: Plan): string {
  const roles = Object.entries(rolesOf(plan)).map(
    ([name, role]) => `    ${JSON.stringify({ name, ...role }).replaceAll(/([,:])"/g, '$1 "')},`,
  )
  return `# For a JupyterHub, made by "rexec init". In jupyterhub_config.py, as its last line:
#   load_subconfig("${CONFIG_FILE}")
# It reads the token from the file hub-token beside it.
import os

c = get_config()  # noqa: F821

with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hub-token")) as file:
    token = file.read().strip()


def earlier(traits, name, empty):
    """What is configured so far, whether as a value or by append() and update()."""
    value = traits[name] if name in traits else empty
    return value.get_value(empty) if hasattr(value, "get_value") else value


c.JupyterHub.services = [
    *earlier(c.JupyterHub, "services", []),
    {
        "name": ${JSON.stringify(plan.serviceName)},
        "url": ${JSON.stringify(plan.upstream)},
        "api_token": token,
        "display": True,
        # Whoever is logged in to the hub need not confirm that rexec may know it.
        "oauth_no_confirm": True,
    },
]

# A role keeps the scopes that it was given before; one that the hub has by itself would lose them.
roles = {role["name"]: dict(role) for role in earlier(c.JupyterHub, "load_roles", [])}
for role in [
${roles.join('\n')}
]:
    before = roles.setdefault(role["name"], role)
    before["scopes"] = list(dict.fromkeys([*before.get("scopes", []), *role["scopes"]]))
c.JupyterHub.load_roles = list(roles.values())

# Where notebooks find the service.
c.Spawner.environment = {**earlier(c.Spawner, "environment", {}), "REXEC_URL": ${JSON.stringify(plan.notebookUrl)}}
`
}

export const CONFIG_FILE = 'jupyterhub_rexec.py'
