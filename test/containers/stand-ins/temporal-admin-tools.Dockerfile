FROM alga-stand-in/servers
COPY temporal-sql-tool temporal /usr/local/bin/
COPY schema /etc/temporal/schema
