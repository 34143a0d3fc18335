"""What a notebook needs of rexec, looked at step by step: python check.py, or %run check.py in a notebook.

Needs Python 3.9 and nothing else. The address of the service is in REXEC_URL, the token in REXEC_TOKEN or
JUPYTERHUB_API_TOKEN, as in the notebooks of a hub. Nothing is started, and the token is shown to the service alone.
Exit code 0: all is well.
"""

import json
import os
import socket
import sys
import urllib.error
import urllib.request

SECONDS = 10
# What a ZeroMQ peer of version 3.1 says first (64 bytes).
GREETING = b"\xff" + bytes(8) + b"\x7f\x03\x01NULL" + bytes(48)

failures = 0


def say(is_good, what, todo=""):
    global failures
    failures += not is_good
    print(("ok    " if is_good else "FAIL  ") + what)
    if todo and not is_good:
        print("      -> " + todo)
    return is_good


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """A token goes where it was sent, and nowhere else."""

    def redirect_request(self, *arguments):
        return None


opener = urllib.request.build_opener(NoRedirect)


def ask(url, token=None):
    """Status and JSON of an answer; status 0 and the reason without one."""
    headers = {"Accept": "application/json", **({"Authorization": "Bearer " + token} if token else {})}
    try:
        request = urllib.request.Request(url, headers=headers)
        with opener.open(request, timeout=SECONDS) as answer:
            status, text = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, text = error.code, error.read()
    except (OSError, ValueError) as error:
        return 0, {"detail": str(getattr(error, "reason", error))}
    try:
        found = json.loads(text)
    except ValueError:
        found = {}
    return status, found if isinstance(found, dict) else {}


def look_at_broker(address):
    """Why no broker answers there; None when one does."""
    host, _, port = address.removeprefix("tcp://").rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS) as connection:
            connection.sendall(GREETING)
            answer = connection.recv(1)
    except socket.gaierror:
        return "the name " + host + " is not known here"
    except ConnectionRefusedError:
        return "nothing listens there"
    except OSError as error:
        return str(error) or type(error).__name__
    return None if answer == b"\xff" else "what answers there is no broker"


def look_at_service(url):
    status, index = ask(url + "/")
    found = f"rexec {index.get('version')}" if status == 200 else index.get("detail", f"status {status}")
    todo = "Is REXEC_URL right, with its whole path? Can this machine reach the hub?"
    if not say(index.get("service") == "rexec", "the service: " + found, todo):
        return False
    status, health = ask(url + "/readyz")
    wrong = ", ".join(f"{name}: {how}" for name, how in health.get("checks", {}).items() if how != "ok")
    found = "ready" if status == 200 else "not ready: " + (wrong or f"status {status}")
    say(status == 200, "the service is " + found, "Tell your administrator.")
    return True


def look_at_user(url, token):
    status, user = ask(url + "/api/v1/user", token)
    found = f"you are {user.get('name')}" if status == 200 else f"refused: {user.get('code', status)}"
    todo = "Restart your notebook server for a new token; then ask your administrator."
    if not say(status == 200, found, user.get("detail", todo)):
        return False
    profiles = ask(url + "/api/v1/profiles", token)[1].get("profiles", [])
    names = ", ".join(profile["name"] for profile in profiles) or "none"
    say(profiles, "profiles: " + names, "Ask your administrator for a profile.")
    own = "%d.%d" % sys.version_info[:2]
    pythons = {python for profile in profiles for python in profile["pythons"]}
    listed = ", ".join(sorted(pythons, key=lambda python: int(python.split(".")[1])))
    todo = "Use a notebook with one of these: functions travel between equal versions only."
    say(own in pythons, f"this is Python {own}; servers have {listed}", todo)
    return True


def look_at_brokers(url, token):
    status, broker = ask(url + "/api/v1/broker", token)
    addresses = [one["address"] for one in (broker, broker.get("external")) if one and "address" in one]
    reasons = {address: look_at_broker(address) for address in addresses}
    # One of them is enough: the one is for notebooks in the cluster, the other for everybody else.
    good = [address for address, reason in reasons.items() if reason is None]
    for address in good:
        say(True, "the broker answers at " + address)
    if not reasons:
        say(False, f"no address of a broker: {broker.get('code', status)}", "Tell your administrator.")
    for address, reason in reasons.items() if not good else ():
        todo = "Tell your administrator: notebooks must reach this address."
        say(False, f"the broker at {address}: {reason}", todo)


def main():
    url = os.environ.get("REXEC_URL", "").rstrip("/")
    token = os.environ.get("REXEC_TOKEN") or os.environ.get("JUPYTERHUB_API_TOKEN")
    todo = "Set it to the address of the service, which your administrator knows."
    if not say(url, "REXEC_URL: " + (url or "not set"), todo) or not look_at_service(url):
        return
    todo = "Set REXEC_TOKEN; in the notebooks of a hub JUPYTERHUB_API_TOKEN is there."
    if say(token, "a token is there" if token else "no token", todo) and look_at_user(url, token):
        look_at_brokers(url, token)


main()
print("all is well" if failures == 0 else "see above")
if failures and "ipykernel" not in sys.modules:
    sys.exit(1)
