# Two images, for docker-compose.yml: `api` (also the housekeeper and the one-shot jobs) and `proxy`.
# The Debian and the Python are those that the tests run on. Pin them to a digest with
# --build-arg PYTHON=python:3.11-slim-bookworm@sha256:… where builds must be repeatable.
ARG PYTHON=python:3.11-slim-bookworm
ARG DEBIAN=debian:bookworm-slim

FROM ${PYTHON} AS build
WORKDIR /build
COPY pyproject.toml requirements.txt ./
# What running needs, at the versions that the tests run on; again only when these two change.
RUN python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["dependencies"], sep="\n")' > wanted.txt \
    && python -m venv /opt/carelink \
    && /opt/carelink/bin/pip install --no-cache-dir --only-binary :all: -c requirements.txt -r wanted.txt \
    && /opt/carelink/bin/pip uninstall --yes pip setuptools

FROM ${PYTHON} AS api
# The system's pip is not needed either; the user has no home, no shell and no password.
RUN python -m pip uninstall --yes --root-user-action ignore pip setuptools wheel \
    && groupadd --gid 10001 carelink \
    && useradd --uid 10001 --gid carelink --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin carelink
ENV PATH=/opt/carelink/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Its own at every start: /tmp is a new tmpfs then.
ENV PROMETHEUS_MULTIPROC_DIR=/tmp/metrics
WORKDIR /app
COPY --from=build /opt/carelink /opt/carelink
COPY wsgi.py ./
COPY carelink_api carelink_api
RUN python -m compileall -q .
USER 10001:10001
EXPOSE 8000
# Another worker takes the place of one that has died; the second stays meanwhile.
# 32 threads: 25 logins may wait for the password hash, and others want to be served.
CMD ["python", "-m", "granian", "--interface", "wsgi", "--no-ws", "--http", "1", \
     "--host", "0.0.0.0", "--port", "8000", "--workers", "2", "--blocking-threads", "32", \
     "--respawn-failed-workers", "--workers-kill-timeout", "15", "--log-level", "warning", "wsgi:app"]
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health/ready/', timeout=4)"]

FROM ${DEBIAN} AS proxy
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends nginx-light \
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled \
    && mkdir -p /srv/acme
COPY carelink_api/deployment/nginx.conf /etc/nginx/nginx.conf
USER 33:33
EXPOSE 8080 8443
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
    CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8081 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && read -r line <&3 && [[ $line == *204* ]]"]
