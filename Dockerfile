# The image of rexec: proxy, broker and agent. docs/admin/image.md says how to build and pin it.
ARG NODE_IMAGE=docker.io/library/node:24-bookworm-slim
ARG BASE_IMAGE=docker.io/library/debian:bookworm-slim

# Changes with package-lock.json only. Packages run no code of theirs here (--ignore-scripts).
# Secrets, both optional: npmrc (registry, its token), ca (certificates to trust when fetching).
FROM ${NODE_IMAGE} AS packages
WORKDIR /opt/rexec
COPY package-lock.json ./
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca,target=/run/secrets/ca \
  set -eu; \
  [ ! -s /run/secrets/ca ] || export NODE_EXTRA_CA_CERTS=/run/secrets/ca; \
  node -e 'fs.writeFileSync("package.json", JSON.stringify(require("./package-lock.json").packages[""]))'; \
  npm ci --omit=dev --ignore-scripts --no-audit --no-fund --no-update-notifier --loglevel=error; \
  # Not --omit=dev: that leaves out what packages for development need too.
  npm pkg delete devDependencies; \
  rm package-lock.json; \
  npm sbom --sbom-format=cyclonedx --sbom-type=application >sbom.cdx.json; \
  # These two, both optional, would make every build another one.
  sed -i -e '/^  "serialNumber":/d' -e '/^    "timestamp":/d' sbom.cdx.json; \
  # Other platforms, and what only people and their editors read.
  cd node_modules; \
  find zeromq/build -mindepth 1 -maxdepth 1 -type d ! -name linux -exec rm -r {} +; \
  find zeromq/build/linux -mindepth 1 -maxdepth 1 ! -name "$(node -p process.arch)" -exec rm -r {} +; \
  find . -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.d.cts' -o -name '*.d.mts' ')' -delete; \
  cd ..; \
  rm package.json; \
  chmod -R a=rX .

FROM ${NODE_IMAGE} AS sources
COPY . /image/opt/rexec/
# The absolute path of node: a base image needs neither a shell nor env.
RUN set -eu; \
  cd /image/opt/rexec; \
  rm package-lock.json; \
  sed -i '1s,.*,#!/usr/local/bin/node,' bin/rexec.ts; \
  chmod -R a=rX .; \
  chmod a+x bin/rexec.ts; \
  mkdir -p /image/usr/local/bin; \
  ln -s /opt/rexec/bin/rexec.ts /image/usr/local/bin/rexec

# No RUN from here on, which would need a shell in the base image.
FROM ${BASE_IMAGE}
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
COPY --from=packages /opt/rexec/ /opt/rexec/
WORKDIR /opt/rexec
ENV NODE_ENV=production
USER 65532:65532
ENTRYPOINT ["rexec"]
CMD ["--help"]
STOPSIGNAL SIGTERM
# Finds a proxy or a broker that has its usual port. Kubernetes has its own probes and ignores it.
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD ["rexec", "healthcheck"]
COPY --from=sources /image/ /
ARG BASE_IMAGE
ARG VERSION= REVISION= SOURCE= CREATED=
LABEL org.opencontainers.image.title="rexec" \
  org.opencontainers.image.description="Runs Python functions from JupyterHub notebooks on Kubernetes: proxy, broker and agent" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}" \
  org.opencontainers.image.source="${SOURCE}" \
  org.opencontainers.image.created="${CREATED}" \
  org.opencontainers.image.base.name="${BASE_IMAGE}"
