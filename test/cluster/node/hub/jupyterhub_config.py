# The hub's configuration, from values by the names of zero-to-jupyterhub, of which it knows those that a service needs.
import json
from pathlib import Path

c = get_config()  # noqa: F821
values = json.loads(Path("/etc/jupyterhub/values.json").read_text())


def value(path, default):
    found = values
    for name in path.split("."):
        found = found.get(name, {})
    return found or default


c.JupyterHub.bind_url = "http://:8000"
c.JupyterHub.hub_bind_url = "http://:8081"
c.JupyterHub.hub_connect_url = "http://hub:8081"
c.JupyterHub.db_url = "sqlite:////tmp/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/tmp/cookie_secret"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
c.JupyterHub.cleanup_servers = False

c.JupyterHub.spawner_class = "kubespawner.KubeSpawner"
c.KubeSpawner.namespace = "jhub"
c.KubeSpawner.common_labels = {"app": "jupyterhub"}
c.KubeSpawner.component_label = "singleuser-server"
c.KubeSpawner.extra_labels = {"hub.jupyter.org/network-access-hub": "true"}
c.KubeSpawner.image = "localhost/jupyterhub:test"
c.KubeSpawner.image_pull_policy = "Never"
c.KubeSpawner.cmd = ["jupyterhub-singleuser"]
c.KubeSpawner.cpu_guarantee = 0.01
c.KubeSpawner.mem_guarantee = "64M"
c.KubeSpawner.delete_grace_period = 1
c.KubeSpawner.environment = {
    "HOME": "/tmp",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    **value("singleuser.extraEnv", {}),
}

for section, traits in value("hub.config", {}).items():
    c[section].update(traits)

for name, service in value("hub.services", {}).items():
    service.pop("apiToken", None)
    token = Path("/etc/jupyterhub-secret", f"hub.services.{name}.apiToken").read_text()
    c.JupyterHub.services.append({"name": name, **service, "api_token": token})

for name, role in value("hub.loadRoles", {}).items():
    c.JupyterHub.load_roles.append({"name": name, **role})
