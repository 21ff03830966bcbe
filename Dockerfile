# sealiftd in a container, as an account that is not root:
#
#   docker build -t sealift .
#   docker run -d --name sealift --read-only -p 4456:4456 -v sealift:/var/lib/sealift sealift
#   docker logs sealift                              # the pin of its key, and what to try next
#   docker exec -it sealift sealiftd user add alice
FROM rust:1.95-slim-bookworm AS build
WORKDIR /source
COPY . .
RUN cargo build --locked --release --bins

FROM debian:bookworm-slim
COPY --from=build /source/target/release/sealift /source/target/release/sealiftd /usr/local/bin/
# Users, key, state and data: all that must outlive the container.
RUN groupadd --gid 4456 sealift && \
    useradd --uid 4456 --gid 4456 --home-dir /var/lib/sealift --create-home --shell /usr/sbin/nologin sealift
USER 4456:4456
WORKDIR /var/lib/sealift
VOLUME /var/lib/sealift
EXPOSE 4456
# Over TLS, by its own key, without a login: whether it serves.
HEALTHCHECK --interval=30s --timeout=10s --start-period=10s \
    CMD sealift --timeout 8s --pin "$(sealiftd cert pin)" health 127.0.0.1
# Waits for transfers under way: `docker stop -t 60` gives it longer than its --grace of 30 seconds.
CMD ["sealiftd"]
