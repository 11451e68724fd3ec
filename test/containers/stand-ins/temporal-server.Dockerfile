FROM alga-stand-in/servers
RUN useradd --uid 1000 temporal
COPY temporal-server /usr/local/bin/
RUN mkdir -p /etc/temporal /etc/platform/temporal
