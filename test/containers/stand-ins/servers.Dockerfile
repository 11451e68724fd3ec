# What serves as PostgreSQL, Redis and nginx where their images cannot be pulled: the same servers from Debian's packages. The stand-ins of others are built on it.

FROM debian:trixie-slim
RUN apt-get update && apt-get install -y --no-install-recommends busybox curl netcat-openbsd && mkdir -p /etc/postgresql-common \
    && echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf \
    && apt-get install -y --no-install-recommends postgresql redis-server nginx libnginx-mod-stream \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
    && ln -s "$(command -v busybox)" /usr/local/bin/wget \
    && usermod --non-unique --uid 999 postgres && groupmod --non-unique --gid 999 postgres \
    && install -d -o 999 -g 999 -m 1777 /var/lib/postgresql/data && install -d -o 999 -g 999 /data /var/run/postgresql
