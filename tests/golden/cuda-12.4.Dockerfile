# alexnet-archive toolchain cuda-12.4: Maxwell to Hopper, the newest Debian.
# Rendered by `alexnet-archive toolchain render cuda-12.4`; the files that it copies come with `--context FOLDER`.
# Pins: sha256:b16a9cc8e1f354c1ce8f25977e3cd9c157a736484eb3dd4816829c1cd3d983e5
ARG BASE_BULLSEYE=debian:bullseye-slim
ARG BASE_TRIXIE=debian:trixie-slim

FROM ${BASE_BULLSEYE} AS wheels
ARG DEBIAN_MIRROR=""
ARG DEBIAN_SECURITY_MIRROR=""
ARG INDEX_URL=""
COPY install-debian package-sources install-wheels wheels.debian ca-bundle.pem python2.txt /pins/
RUN /pins/install-debian /pins/wheels.debian "main"
RUN /pins/install-wheels /pins/python2.txt /opt/python2 python2
COPY gather-python2 /pins/
RUN /pins/gather-python2

FROM ${BASE_TRIXIE}
ARG DEBIAN_MIRROR=""
ARG DEBIAN_SECURITY_MIRROR=""
COPY install-debian package-sources image.debian python2.txt excludes /usr/share/alexnet-archive/
RUN /usr/share/alexnet-archive/install-debian /usr/share/alexnet-archive/image.debian "main contrib non-free" /usr/share/alexnet-archive/excludes /usr/lib/x86_64-linux-gnu/nvidia /usr/lib/x86_64-linux-gnu/libcuda.so.1 /usr/lib/x86_64-linux-gnu/libcuda.so /usr/lib/x86_64-linux-gnu/libnvidia-ml.so.1 /usr/lib/x86_64-linux-gnu/libnvidia-ptxjitcompiler.so.1
COPY --from=wheels /opt/interpreter /
COPY adopt-python2 /usr/share/alexnet-archive/
RUN /usr/share/alexnet-archive/adopt-python2
COPY --from=wheels /opt/python2 /usr/local/lib/python2.7/dist-packages
ENV CC=gcc-13
ENV CXX=g++-13
ENV CUDAHOSTCXX=g++-13
ENV NVCC_CCBIN=g++-13
ENV MPLBACKEND=Agg
ENV PYTHONDONTWRITEBYTECODE=1
RUN MPLBACKEND=Agg python2.7 -B -c "import numpy, pylab, PIL.Image" && rm -rf ~/.cache ~/.config \
    && for name in gcc g++; do ln -s "/usr/bin/$name-13" "/usr/local/bin/$name"; done \
    && useradd --uid 1000 --no-log-init --create-home --shell /bin/sh alexnet
USER 1000:1000
WORKDIR /home/alexnet
CMD ["python2.7"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="alexnet-archive toolchain cuda-12.4" \
      org.opencontainers.image.source="alexnet-archive" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="BSD-2-Clause AND LicenseRef-Debian-packages AND LicenseRef-NVIDIA-CUDA" \
      org.opencontainers.image.base.name="debian:trixie-slim" \
      alexnet-archive.toolchain="cuda-12.4" \
      alexnet-archive.lock="sha256:b16a9cc8e1f354c1ce8f25977e3cd9c157a736484eb3dd4816829c1cd3d983e5"
