#!/usr/bin/env bash
# machine.sh SLOT STATE: holds the namespaces of a cluster (init.sh is process 1 in them) and afterwards takes away what
# outlives them, also when the process that started it was killed. Its descriptor 3 is the claim to the slot. It says
# "pid PID", which is a process in the network namespace, and then what init.sh says.
set -u
here=${BASH_SOURCE%/*}
(
  exec 3>&-
  set -e
  for hierarchy in /sys/fs/cgroup/*/cgroup.procs; do
    own=${hierarchy%/*}/$1
    mkdir -p "$own"
    # A new cpuset is empty and takes no process.
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$own/$file" ] || cat "${hierarchy%/*}/$file" >"$own/$file"
    done
    echo "$BASHPID" >"$own/cgroup.procs"
  done
  echo "pid $BASHPID"
  exec unshare --net --mount --ipc --cgroup --pid --fork --kill-child --mount-proc --propagation private \
    bash "$here/init.sh" "$2"
)
exec "$here/remains.sh" "$1" "$2" <&-
