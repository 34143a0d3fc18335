# A hub of the tests (hub.ts): everything on the loopback interface, everything it writes in a folder of its own.
import json
import os
import random
import socket

c = get_config()  # noqa: F821
with open(os.environ["REXEC_TEST_HUB"]) as file:
    given = json.load(file)

c.JupyterHub.bind_url = given["url"]
c.JupyterHub.hub_bind_url = given["hubUrl"]
c.JupyterHub.db_url = "sqlite:///" + os.path.join(given["folder"], "jupyterhub.sqlite")
c.JupyterHub.cookie_secret_file = os.path.join(given["folder"], "cookie_secret")
# As on Kubernetes: proxy and servers outlive the hub.
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = given["proxyApiUrl"]
c.ConfigurableHTTPProxy.auth_token = given["proxyToken"]
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allowed_users = {"alice", "bob", "carol"}
c.Authenticator.admin_users = {"admin"}
c.JupyterHub.load_groups = {"rexec-users": {"users": ["alice", "carol"]}}

c.JupyterHub.spawner_class = "simple"
c.SimpleLocalProcessSpawner.home_dir_template = os.path.join(given["folder"], "home", "{username}")
c.Spawner.cmd = given["singleuser"]
c.Spawner.ip = "127.0.0.1"


def choose_port(spawner):
    """Below those that Linux gives to any connection, which would be somebody else's before the server listens."""
    while True:
        spawner.port = random.randrange(11000, 30000)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", spawner.port)) != 0:
                return


c.Spawner.pre_spawn_hook = choose_port
# A test starts and stops as many as it likes, one right after the other.
c.JupyterHub.concurrent_spawn_limit = 0
c.Spawner.consecutive_failure_limit = 0

c.JupyterHub.services = [{"name": "tests", "api_token": given["adminToken"]}]
c.JupyterHub.load_roles = [
    {
        "name": "tests",
        "scopes": ["admin:users", "tokens", "admin:servers", "admin:groups", "admin:services", "shutdown"],
        "services": ["tests"],
    },
]
if given["service"] is not None:
    c.JupyterHub.services.append(given["service"])
    c.JupyterHub.load_roles.extend(
        [
            {"name": "rexec", "scopes": ["list:users"], "services": ["rexec"]},
            {
                "name": "rexec-users",
                "scopes": ["self", "access:services!service=rexec"],
                "groups": ["rexec-users"],
            },
            {
                "name": "server",
                "scopes": ["users:activity!user", "access:servers!server", "access:services!service=rexec"],
            },
        ]
    )
