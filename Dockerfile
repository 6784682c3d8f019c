# syntax=docker/dockerfile:1
# The image of every process; the command says which. Built in two steps: what builds does not ship.
FROM python:3.13.9-slim-bookworm AS build
WORKDIR /opt/signoff
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
COPY requirements.lock ./
RUN python -m venv .venv && .venv/bin/pip install --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY app ./app
COPY smtp_proxy ./smtp_proxy
RUN .venv/bin/pip install --no-deps --no-build-isolation . && .venv/bin/python -m compileall -q .venv/lib

FROM python:3.13.9-slim-bookworm
LABEL org.opencontainers.image.title="Signoff" org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --uid 10001 --user-group --home-dir /var/lib/signoff --create-home --shell /usr/sbin/nologin signoff \
    && install -d -o signoff -g signoff -m 0700 /var/lib/signoff-dkim
COPY --from=build /opt/signoff/.venv /opt/signoff/.venv
ENV PATH=/opt/signoff/.venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /var/lib/signoff
USER 10001:10001
EXPOSE 8080 8085 8081 2525 2424 8082 2526 8083 8084
# Every process answers on its own health address; the one that does is the one that runs here.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s CMD ["signoff", "health"]
CMD ["signoff", "web"]
