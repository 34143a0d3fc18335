#!/usr/bin/env bash
# Process 1 of a cluster's namespaces: makes the mounts, then does what stdin says, line by line, and ends with it. The
# kernel then ends all processes of the namespaces, and with them go their mounts, network interfaces and routes.
#   start NAME PROGRAM ARG...   a program in the background, its output in STATE/log/NAME.log
#   signal NAME SIGNAL
# On stdout it says "up", and "ended NAME CODE" whenever a program has.
set -eu
state=$1

mount --make-rshared / # containerd and kubelet need it; the machine's own mounts are cut off already
mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /sys/fs/cgroup
while IFS=: read -r _ controller _; do
  name=${controller#name=}
  mkdir "/sys/fs/cgroup/${name:-unified}"
  case $controller in
    '') mount -t cgroup2 cgroup2 /sys/fs/cgroup/unified ;;
    name=*) mount -t cgroup -o "none,$controller" cgroup "/sys/fs/cgroup/$name" ;;
    *) mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$name" ;;
  esac
done </proc/self/cgroup
mount -t bpf bpf /sys/fs/bpf
# Sockets, pids, network namespaces; what the network plugins, kubelet and its log links have at fixed places.
for folder in /run /var/lib /var/log; do mount -t tmpfs tmpfs "$folder"; done
mkdir /run/lock /run/netns /run/pids /run/sysctl
mount --bind /run/netns /run/netns # a mount of its own, or a pod's namespace cannot be mounted there

# Settings of the whole machine that kubelet and Cilium change get a stand-in.
for setting in vm/overcommit_memory vm/panic_on_oom kernel/panic kernel/panic_on_oops kernel/keys/root_maxkeys \
  kernel/keys/root_maxbytes kernel/timer_migration kernel/unprivileged_bpf_disabled net/core/bpf_jit_enable; do
  [ -e "/proc/sys/$setting" ] || continue
  cat "/proc/sys/$setting" >"/run/sysctl/${setting//\//.}"
  mount --bind "/run/sysctl/${setting//\//.}" "/proc/sys/$setting"
done
ip link set lo up

start() {
  local name=$1
  shift
  rm -f "/run/pids/$name"
  (
    "$@" >>"$state/log/$name.log" 2>&1 </dev/null &
    echo $! >"/run/pids/$name"
    wait $! && code=0 || code=$?
    echo "ended $name $code"
  ) &
}

signal() {
  until [ -s "/run/pids/$1" ]; do sleep 0.01; done
  kill -s "$2" "$(cat "/run/pids/$1")" || true
}

echo up
while IFS= read -r line; do eval "$line"; done
