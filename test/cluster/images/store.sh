#!/usr/bin/env bash
# store.sh FOLDER LAYOUT: makes FOLDER the root of a containerd that has the images of an OCI layout, unpacked. To be run
# in namespaces of its own.
set -eu
folder=$1 layout=$2
mount -t tmpfs tmpfs /run
printf 'version = 2\nroot = "%s"\nstate = "/run/containerd"\ndisabled_plugins = ["io.containerd.grpc.v1.cri"]\n' "$folder" >/run/config.toml
containerd --config /run/config.toml >/run/log 2>&1 &
until [ -S /run/containerd/containerd.sock ]; do
  kill -0 $! 2>/dev/null || { cat /run/log; exit 1; }
  sleep 0.05
done
tar --create --dereference --directory="$layout" . | ctr --namespace k8s.io images import -
kill $!
wait $!
