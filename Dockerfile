# syntax=docker/dockerfile:1

# One build, four images:
#
#   docker build --target api       -t caravel-api .
#   docker build --target worker    -t caravel-worker .
#   docker build --target caravel   -t caravel .
#   docker build --target zooid-sim -t caravel-zooid-sim .
#
# Each holds one binary, a Debian without a toolchain, and the root certificates. None runs as root. Whatever is written
# goes to /data (zooid-sim: its home), so the rest of the file system can be read-only.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
ARG TARGETARCH
# The caches outlive the build and are no part of any layer, so the binaries are copied out of them in the same step.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/usr/local/cargo/git \
    --mount=type=cache,target=/src/target,id=caravel-target-${TARGETARCH},sharing=locked \
    cargo build --release --locked --workspace --bins \
    && mkdir /out \
    && cp target/release/caravel target/release/caravel-api target/release/caravel-worker target/release/zooid-sim /out/

FROM debian:bookworm-slim AS base
# The certificates that calls to an https zooid are checked against.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/*
# A fixed id, the one that distroless images call nonroot too: a volume keeps its owner when the image changes.
RUN groupadd --gid 65532 nonroot \
    && useradd --uid 65532 --gid nonroot --create-home --shell /usr/sbin/nologin nonroot \
    && install --directory --owner=nonroot --group=nonroot --mode=0750 /data
USER nonroot

# What is the same for every program of ours that opens the database. The folder /data is copied into an empty volume
# that is mounted there, owner included.
FROM base AS database
ENV DATABASE_URL=sqlite:///data/caravel.db \
    LOG_FORMAT=json
WORKDIR /data
VOLUME /data

# What listens for HTTP. bash opens the connection itself, so no image needs curl.
FROM database AS http
ENV SERVER_HOST=0.0.0.0 \
    SERVER_PORT=2892
EXPOSE 2892
HEALTHCHECK --interval=5s --timeout=3s --start-period=30s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/$SERVER_PORT && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ $status == 200 ]]"]

FROM http AS api
COPY --from=build /out/caravel-api /usr/local/bin/
ENTRYPOINT ["caravel-api"]

# No health check: a worker has no port unless WORKER_HTTP_ADDR gives it one, and the other workers watch its heartbeat in
# the database.
FROM database AS worker
COPY --from=build /out/caravel-worker /usr/local/bin/
ENTRYPOINT ["caravel-worker"]

FROM base AS zooid-sim
COPY --from=build /out/zooid-sim /usr/local/bin/
WORKDIR /home/nonroot
EXPOSE 3334
# zooid has no health route: whatever it answers, it answers.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/${PORT:-3334} && printf 'GET / HTTP/1.0\\r\\n\\r\\n' >&3 && read -r _ status _ <&3 && [[ -n $status ]]"]
ENTRYPOINT ["zooid-sim"]

# Last, so that it is what a build without a target makes: the API, the worker and the dashboard in one process.
FROM http AS caravel
COPY --from=build /out/caravel /usr/local/bin/
ENTRYPOINT ["caravel"]
CMD ["serve"]
