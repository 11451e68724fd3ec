FROM alga-stand-in/servers
COPY versitygw /usr/local/bin/
