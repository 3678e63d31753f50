# The bridge, without the stand-ins: `docker build -t lp-bridge .`
FROM python:3.12-slim AS build
WORKDIR /src
COPY requirements/run.txt requirements/
RUN python -m venv /opt/lp-bridge \
    && /opt/lp-bridge/bin/pip install --no-cache-dir --require-hashes -r requirements/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY bridge bridge
COPY migrations migrations
# The build backend is only needed here.
RUN python -m venv /tmp/builder && /tmp/builder/bin/pip install --no-cache-dir "hatchling>=1.27" \
    && /tmp/builder/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation -w /tmp/wheel . \
    && /opt/lp-bridge/bin/pip install --no-cache-dir --no-deps /tmp/wheel/*.whl

FROM python:3.12-slim
# A number, so that Kubernetes can see that it is not root.
RUN useradd --uid 10001 --create-home bridge && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/lp-bridge /opt/lp-bridge
ENV PATH=/opt/lp-bridge/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 PORT=3000 DATABASE_URL=sqlite:////data/lp-bridge.db
USER 10001
WORKDIR /data
VOLUME /data
EXPOSE 3000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s CMD \
    ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
CMD ["lp-bridge", "serve"]
