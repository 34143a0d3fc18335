# Python with packages from PyPI in /opt/venv, and with programs from npm if wanted (target `programs`).
ARG NODE_IMAGE
ARG BASE_IMAGE

FROM ${BASE_IMAGE} AS packages
ARG PACKAGES PIP_INDEX_URL
RUN --mount=type=secret,id=pip,target=/etc/pip.conf --mount=type=secret,id=ca,target=/run/secrets/ca \
  set -eu; \
  [ ! -s /run/secrets/ca ] || export PIP_CERT=/run/secrets/ca; \
  python3 -m venv /opt/venv; \
  /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --progress-bar=off ${PACKAGES}
ENV PATH=/opt/venv/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
USER 1000:1000
WORKDIR /tmp

FROM ${NODE_IMAGE} AS npm
ARG PROGRAMS
RUN --mount=type=secret,id=npmrc,target=/root/.npmrc --mount=type=secret,id=ca,target=/run/secrets/ca \
  set -eu; \
  [ ! -s /run/secrets/ca ] || export NODE_EXTRA_CA_CERTS=/run/secrets/ca; \
  npm install --global --prefix=/image/usr/local --no-audit --no-fund ${PROGRAMS}; \
  cp /usr/local/bin/node /image/usr/local/bin/

FROM packages AS programs
COPY --from=npm /image/ /
