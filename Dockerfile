# The platform's processes, a target each: gateway, lifecycle-worker, precompile-worker, runner, and setup for the jobs that run before them.
# `npm run build:images` builds all and prints their sizes. A target holds the files that its process loads and the packages that those need
# (scripts/role-files.ts); it runs as user 1000 and writes to no file of its image.

FROM node:26.10.0-trixie-slim AS build
WORKDIR /platform
COPY package.json package-lock.json ./
# No package of ours needs its install script: native parts come as packages, and Node is the image's.
RUN npm ci --ignore-scripts --no-audit --no-fund
RUN mkdir /packages && cp package.json package-lock.json /packages/ \
    && npm --prefix /packages ci --omit=dev --ignore-scripts --no-audit --no-fund --prefer-offline
COPY . .
ENV NODE_OPTIONS=--disable-warning=ExperimentalWarning
RUN node scripts/build-workflows.ts \
    && for role in gateway lifecycle-worker precompile-worker runner setup; do \
         node scripts/role-files.ts "$role" "/roles/$role" /packages || exit 1; \
       done
# As `npm start` does it: an example to call.
RUN mkdir /example && node --input-type=module -e "import { writeFileSync } from 'node:fs'; \
    import { packExample } from './starter/first-extension.ts'; \
    writeFileSync('/example/hello.tar.zst', await packExample('/tmp/built', console.log))"

FROM debian:trixie-slim AS base
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 tini \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/*.log \
    && useradd --uid 1000 --create-home --home-dir /home/platform --shell /usr/sbin/nologin platform \
    && mkdir -m 755 /run/secrets
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY containers/answers /usr/local/bin/answers
WORKDIR /platform
# No certificate store of a process's own, and threads as `npm start` has them: docs/decisions/0030.
ENV NODE_OPTIONS=--disable-warning=ExperimentalWarning NODE_ENV=production
USER 1000:1000
ENTRYPOINT ["tini", "--", "node", "--v8-pool-size=0"]

FROM base AS gateway
COPY --from=build /roles/gateway .
CMD ["api/main.ts"]

FROM base AS lifecycle-worker
COPY --from=build /roles/lifecycle-worker .
ENV WORKER_KIND=lifecycle WORKFLOW_BUNDLE=/platform/dist/workflow-bundle.js
CMD ["workers/main.ts"]

FROM base AS precompile-worker
COPY --from=build /roles/precompile-worker .
ENV WORKER_KIND=precompile
CMD ["workers/main.ts"]

# Sandboxes are walled by bubblewrap, which makes user namespaces: the container needs the seccomp profile containers/runner-seccomp.json in place of
# Docker's, no AppArmor profile that forbids mounts, and no capability at all. See docs/how-to/run-in-containers.md.
FROM base AS runner
USER root
RUN apt-get update \
    && apt-get install -y --no-install-recommends bubblewrap \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/*.log \
    && install -d -o 1000 -g 1000 /var/cache/runner
USER 1000:1000
COPY --from=build /roles/runner .
ENV RUNNER_CACHE_DIR=/var/cache/runner SANDBOX_ISOLATION=bubblewrap
CMD ["runner/container/main.ts"]

# Volumes take over the owner of the folder that they are mounted at first: here each has one.
FROM base AS setup
USER root
RUN install -d -o 1000 -g 1000 -m 755 /data/objects /secrets/all /secrets/postgres /secrets/temporal /secrets/objects /secrets/redis \
    /secrets/setup /secrets/gateway /secrets/lifecycle-worker /secrets/precompile-worker /secrets/runner
USER 1000:1000
COPY --from=build /roles/setup .
COPY --from=build /example/hello.tar.zst /example/hello.tar.zst
