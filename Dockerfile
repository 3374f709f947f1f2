# altool in an image that does not run as root. Light, without torch:
#   docker build -t altool .
# with more, by the extras of pyproject.toml:
#   docker build -t altool:texts --build-arg EXTRAS=fasttext .
# and with torch for the processor alone: TORCH_INDEX is the address of its CPU wheels, as PyTorch's own page names it.
#   docker build -t altool:torch --build-arg EXTRAS=torch --build-arg TORCH_INDEX=ADDRESS .
# In the folder of the tables:
#   docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/data" altool select --help
ARG PYTHON=3.11
FROM python:${PYTHON}-slim AS build
ARG EXTRAS=""
ARG TORCH_INDEX=""
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/altool
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY altool altool
RUN if [ -n "$TORCH_INDEX" ]; then /opt/altool/bin/pip install --index-url "$TORCH_INDEX" torch torchvision; fi
RUN /opt/altool/bin/pip install ".${EXTRAS:+[$EXTRAS]}"

FROM python:${PYTHON}-slim
COPY --from=build /opt/altool /opt/altool
RUN useradd --create-home altool && mkdir /data && chown altool /data
# A user who is given by --user has no home: caches of weights and of fonts go where anybody may write.
ENV PATH=/opt/altool/bin:$PATH HOME=/tmp PYTHONDONTWRITEBYTECODE=1
USER altool
WORKDIR /data
ENTRYPOINT ["altool"]
CMD ["--help"]
