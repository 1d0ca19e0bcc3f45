# bigprior on the CPU, without CUDA, as a user that is not root.
#
#     docker build -t bigprior .
#     docker run --rm --network none -v "$PWD:/work" --user "$(id -u):$(id -g)" bigprior denoise photo.png
#
# It needs the network while it is built, and never when it runs: weights are in it.
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/bigprior
# PyTorch's own index has the build without CUDA; what it needs comes from there too.
RUN /opt/bigprior/bin/pip install --index-url https://download.pytorch.org/whl/cpu torch torchvision
COPY pyproject.toml README.md LICENSE /src/
COPY LICENSES /src/LICENSES
COPY src /src/src
RUN /opt/bigprior/bin/pip install "/src[formats,jpeg,layers]"

FROM python:3.12-slim
COPY --from=build /opt/bigprior /opt/bigprior
# Fonts' caches and presets of one's own go where whoever runs it may write; see BIGPRIOR_HOME in docs/install.md.
ENV PATH=/opt/bigprior/bin:$PATH HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib BIGPRIOR_HOME=/presets OMP_WAIT_POLICY=PASSIVE
RUN useradd --uid 1000 --create-home person && mkdir /work /presets && chown person /work /presets
USER person
WORKDIR /work
ENTRYPOINT ["bigprior"]
CMD ["--help"]
