# Two images of one program. `make image` builds both; `make rootfs` lays out the same files without docker.
#   --target scratch   the program and its licences, for pipes, cron and jobs that need no shell
#   --target airbyte   the same and a static busybox: Airbyte's launcher on Kubernetes wraps every connector in `sh`

# Static glibc rather than musl: 0.8 MB more, and rows take two thirds of the time (musl copies bytes slowly).
# The compiler of the Makefile, and Debian as it was on one day: the same Dockerfile builds the same bytes. To pin
# the image by its digest as well: --build-arg RUST=rust:1.95.0-slim-bookworm@sha256:…
ARG RUST=rust:1.95.0-slim-bookworm
FROM ${RUST} AS build
# Not asked for the tools of developers.
ENV RUSTUP_TOOLCHAIN=1.95.0
ARG SNAPSHOT=20261120T000000Z
RUN sed -i -e "s|http://deb.debian.org/debian-security|http://snapshot.debian.org/archive/debian-security/$SNAPSHOT|" \
        -e "s|http://deb.debian.org/debian|http://snapshot.debian.org/archive/debian/$SNAPSHOT|" \
        /etc/apt/sources.list.d/debian.sources \
 && apt-get -o Acquire::Check-Valid-Until=false update \
 && apt-get install --yes --no-install-recommends busybox-static gcc libc6-dev make \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /source
COPY . .
RUN make rootfs

FROM scratch AS scratch
COPY --from=build /source/target/rootfs/scratch /
LABEL io.airbyte.name="destination-aws-datalake" io.airbyte.version="0.2.0"
ENV AIRBYTE_ENTRYPOINT="/destination-aws-datalake"
USER 1000:1000
ENTRYPOINT ["/destination-aws-datalake"]

FROM scratch AS airbyte
COPY --from=build /source/target/rootfs/airbyte /
LABEL io.airbyte.name="destination-aws-datalake" io.airbyte.version="0.2.0"
ENV AIRBYTE_ENTRYPOINT="/destination-aws-datalake" PATH="/bin"
USER 1000:1000
ENTRYPOINT ["/destination-aws-datalake"]
