"""Reads [source, ours or null] pairs as JSON; says what the packaging library thinks of each."""

import json
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ENVIRONMENTS = [
    dict(
        python_version=version,
        python_full_version=version + ".1",
        os_name=os,
        sys_platform=system,
        platform_machine="x86_64",
        platform_system=system.title(),
        platform_release="6.1",
        platform_version="#1 SMP",
        implementation_name="cpython",
        implementation_version=version + ".1",
        platform_python_implementation="CPython",
        extra="",
    )
    for version in ("2.7", "3.8", "3.12")
    for os, system in (("posix", "linux"), ("nt", "win32"))
]


def evaluate(marker, environment):
    """The marker's value, or the kind of error that the installer would end with."""
    try:
        return marker is None or marker.evaluate(environment)
    except Exception as error:
        return type(error).__name__


def condition(specifier):
    """The version as the specification has it: normalized before it is compared."""
    if specifier.operator == "===":
        return specifier.operator, specifier.version.lower()
    version = specifier.version
    wildcard = version.endswith(".*")
    return specifier.operator, str(Version(version[:-2] if wildcard else version)), wildcard


def meaning(requirement):
    return (
        canonicalize_name(requirement.name),
        sorted({canonicalize_name(extra) for extra in requirement.extras}),
        {condition(specifier) for specifier in requirement.specifier},
        requirement.url,
        [evaluate(requirement.marker, environment) for environment in ENVIRONMENTS],
    )


def parse(text):
    try:
        return Requirement(text)
    except (ValueError, SyntaxError):  # beside InvalidRequirement, some versions and quoted texts raise others
        return None


def judge(source, ours):
    theirs = parse(source)
    again = None if ours is None else parse(ours)
    return {
        "accepted": theirs is not None,
        "url": theirs is not None and theirs.url is not None,
        "same": theirs is not None and again is not None and meaning(theirs) == meaning(again),
    }


json.dump([judge(*pair) for pair in json.load(sys.stdin)], sys.stdout)
