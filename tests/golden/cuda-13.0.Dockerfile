# alexnet-archive toolchain cuda-13.0: Turing to Blackwell.
# Rendered by `alexnet-archive toolchain render cuda-13.0`; the files that it copies come with `--context FOLDER`.
# Pins: sha256:515f59896d9e24ef38dbe7573156b2db096cdfbbd6ea1a83442c537821230480
ARG BASE_BULLSEYE=debian:bullseye-slim

FROM ${BASE_BULLSEYE} AS wheels
ARG DEBIAN_MIRROR=""
ARG DEBIAN_SECURITY_MIRROR=""
ARG INDEX_URL=""
COPY install-debian package-sources install-wheels wheels.debian ca-bundle.pem python2.txt /pins/
RUN /pins/install-debian /pins/wheels.debian "main"
RUN /pins/install-wheels /pins/python2.txt /opt/python2 python2
COPY gather-cuda cuda.txt /pins/
RUN /pins/install-wheels /pins/cuda.txt /opt/wheels native && /pins/gather-cuda

FROM ${BASE_BULLSEYE}
ARG DEBIAN_MIRROR=""
ARG DEBIAN_SECURITY_MIRROR=""
COPY install-debian package-sources image.debian python2.txt cuda.txt excludes /usr/share/alexnet-archive/
RUN /usr/share/alexnet-archive/install-debian /usr/share/alexnet-archive/image.debian "main" /usr/share/alexnet-archive/excludes
COPY --from=wheels /opt/cuda /usr/local/cuda
RUN echo /usr/local/cuda/lib > /etc/ld.so.conf.d/cuda.conf && ldconfig
COPY --from=wheels /opt/python2 /usr/local/lib/python2.7/dist-packages
ENV CC=gcc-10
ENV CXX=g++-10
ENV CUDAHOSTCXX=g++-10
ENV NVCC_CCBIN=g++-10
ENV CUDA_HOME=/usr/local/cuda
ENV PATH=/usr/local/cuda/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ENV CPATH=/usr/local/cuda/include
ENV LIBRARY_PATH=/usr/local/cuda/lib
ENV MPLBACKEND=Agg
ENV PYTHONDONTWRITEBYTECODE=1
RUN MPLBACKEND=Agg python2.7 -B -c "import numpy, pylab, PIL.Image" && rm -rf ~/.cache ~/.config \
    && for name in gcc g++; do ln -s "/usr/bin/$name-10" "/usr/local/bin/$name"; done \
    && useradd --uid 1000 --no-log-init --create-home --shell /bin/sh alexnet
USER 1000:1000
WORKDIR /home/alexnet
CMD ["python2.7"]
ARG REVISION=unknown
LABEL org.opencontainers.image.title="alexnet-archive toolchain cuda-13.0" \
      org.opencontainers.image.source="alexnet-archive" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.licenses="BSD-2-Clause AND LicenseRef-Debian-packages AND LicenseRef-NVIDIA-CUDA" \
      org.opencontainers.image.base.name="debian:bullseye-slim" \
      alexnet-archive.toolchain="cuda-13.0" \
      alexnet-archive.lock="sha256:515f59896d9e24ef38dbe7573156b2db096cdfbbd6ea1a83442c537821230480"
