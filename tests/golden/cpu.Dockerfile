# alexnet-archive toolchain cpu: any machine, no GPU.
# Rendered by `alexnet-archive toolchain render cpu`; the files that it copies come with `--context FOLDER`.
# Pins: sha256:9d79bad4a2cd935297a9bb63794e61c48630e2b72560922bdc6e99d5419ba373
ARG BASE_BULLSEYE=debian:bullseye-slim

FROM ${BASE_BULLSEYE} AS wheels
ARG DEBIAN_MIRROR=""
ARG DEBIAN_SECURITY_MIRROR=""
ARG INDEX_URL=""
COPY install-debian package-sources install-wheels wheels.debian ca-bundle.pem python2.txt /pins/
RUN /pins/install-debian /pins/wheels.debian "main"
RUN /pins/install-wheels /pins/python2.txt /opt/python2 python2

FROM ${BASE_BULLSEYE}
ARG DEBIAN_MIRROR=""
ARG DEBIAN_SECURITY_MIRROR=""
COPY install-debian package-sources image.debian python2.txt excludes /usr/share/alexnet-archive/
RUN /usr/share/alexnet-archive/install-debian /usr/share/alexnet-archive/image.debian "main" /usr/share/alexnet-archive/excludes
COPY --from=wheels /opt/python2 /usr/local/lib/python2.7/dist-packages
ENV CC=gcc-10
ENV CXX=g++-10
ENV MPLBACKEND=Agg
ENV PYTHONDONTWRITEBYTECODE=1
RUN MPLBACKEND=Agg python2.7 -B -c "import numpy, pylab, PIL.Image" && rm -rf ~/.cache ~/.config \
    && for name in gcc g++; do ln -s "/usr/bin/$name-10" "/usr/local/bin/$name"; done \
    && useradd --uid 1000 --no-log-init --create-home --shell /bin/sh alexnet
USER 1000:1000
WORKDIR /home/alexnet
CMD ["python2.7"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="alexnet-archive toolchain cpu" \
      org.opencontainers.image.source="alexnet-archive" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="BSD-2-Clause AND LicenseRef-Debian-packages AND LicenseRef-NVIDIA-CUDA" \
      org.opencontainers.image.base.name="debian:bullseye-slim" \
      alexnet-archive.toolchain="cpu" \
      alexnet-archive.lock="sha256:9d79bad4a2cd935297a9bb63794e61c48630e2b72560922bdc6e99d5419ba373"
