import type { Plan } from './plan.ts'
import { rolesOf } from './roles.ts'

export const CONFIG_FILE = 'jupyterhub_rexec.py'

/**
 * What belongs at the end of jupyterhub_config.py. (Not for load_subconfig(): what it loads cannot see the roles that are
 * there.) JSON of texts and lists is Python as well.
 */
export function jupyterhubConfig(plan: Plan): string {
  const roles = Object.entries(rolesOf(plan)).map(
    ([name, role]) => `        ${JSON.stringify({ name, ...role }).replaceAll(/([,:])(["[])/g, '$1 $2')},`,
  )
  const name = JSON.stringify(plan.serviceName)
  return `
# rexec, made by "rexec init": for the end of jupyterhub_config.py. The token is in the file hub-token beside that.
def add_rexec():
    import os

    def earlier(section, trait, empty):
        """What is configured so far, whether as a value or by append() and update()."""
        value = section[trait] if trait in section else empty
        return value.get_value(empty) if hasattr(value, "get_value") else value

    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "hub-token")) as file:
        token = file.read().strip()
    service = {
        "name": ${name},
        "url": ${JSON.stringify(plan.upstream)},
        "api_token": token,
        "display": True,
        # Whoever is logged in to the hub need not confirm that rexec may know it.
        "oauth_no_confirm": True,
    }
    others = [other for other in earlier(c.JupyterHub, "services", []) if other["name"] != ${name}]
    c.JupyterHub.services = [*others, service]

    # A role that is named here loses what the hub gives it by itself, so that stands here as well.
    roles = {role["name"]: dict(role) for role in earlier(c.JupyterHub, "load_roles", [])}
    for role in [
${roles.join('\n')}
    ]:
        known = roles.setdefault(role["name"], role)
        known["scopes"] = list(dict.fromkeys([*known.get("scopes", []), *role["scopes"]]))
    c.JupyterHub.load_roles = list(roles.values())

    # Where notebooks find the service.
    environment = earlier(c.Spawner, "environment", {})
    c.Spawner.environment = {**environment, "REXEC_URL": ${JSON.stringify(plan.notebookUrl)}}


add_rexec()
`
}
