FROM alga-stand-in/servers
COPY ui-server /home/ui-server/
COPY ui-docker.yaml /home/ui-server/config/docker.yaml
WORKDIR /home/ui-server
ENTRYPOINT ["./ui-server", "--env", "docker", "start"]
