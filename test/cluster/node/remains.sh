#!/usr/bin/env bash
# remains.sh SLOT STATE: takes away what is left of a cluster when its namespaces are gone.
set -u
# The kernel does this too, a moment after the network namespace has ended.
ip link del "$1" 2>/dev/null

remaining() { find /sys/fs/cgroup/*/"$1" -depth -type d 2>/dev/null; }

for _ in $(seq 200); do
  remaining "$1" | xargs -r rmdir 2>/dev/null
  [ -n "$(remaining "$1")" ] || break
  # Killed processes take a moment to be gone. Whatever is in these cgroups belongs to the cluster.
  remaining "$1" | while read -r cgroup; do cat "$cgroup/cgroup.procs" 2>/dev/null; done | xargs -r kill -KILL 2>/dev/null
  sleep 0.05
done
rm -rf "$2"
