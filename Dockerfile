# Two images: "collector" (flowtrail itself) and "demo" (the shop's services).
#   docker build --target collector -t flowtrail-collector .
#   docker build --target demo -t flowtrail-demo .
ARG PYTHON=3.11.14-slim-bookworm

FROM python:${PYTHON} AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/flowtrail
COPY deploy/requirements.txt /src/deploy/requirements.txt
RUN /opt/flowtrail/bin/pip install --require-hashes --only-binary :all: -r /src/deploy/requirements.txt
COPY pyproject.toml README.md LICENSE /src/
COPY instrumentation /src/instrumentation
COPY collector /src/collector
# What is installed is all there is: no pip, no compiler in the images.
RUN /opt/flowtrail/bin/pip install --no-deps /src \
    && /opt/flowtrail/bin/pip uninstall --yes pip setuptools \
    && /usr/local/bin/python -m compileall -q /opt/flowtrail/lib

FROM python:${PYTHON} AS runtime
RUN groupadd --gid 10001 flowtrail \
    && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin flowtrail \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/flowtrail /opt/flowtrail
ENV PATH=/opt/flowtrail/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
WORKDIR /data
VOLUME /data

FROM runtime AS demo
COPY demo/orderflow /opt/demo/orderflow
ENV PYTHONPATH=/opt/demo ORDERFLOW_FOLDER=/data
ENTRYPOINT ["python", "-m", "orderflow"]

# The last stage is what a plain "docker build ." makes.
FROM runtime AS collector
EXPOSE 8090
ENTRYPOINT ["flowtrail"]
CMD ["collector", "run"]
