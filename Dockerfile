# diemcau: docker build -t diemcau .
FROM ghcr.io/astral-sh/uv:0.8.17 AS uv

FROM python:3.11.13-slim-bookworm AS build
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=never UV_PROJECT_ENVIRONMENT=/opt/diemcau
WORKDIR /src
# The dependencies of the lock file first: they change less often than we do. EXTRA=media adds those of the media kind.
ARG EXTRA=""
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-dev --no-install-project ${EXTRA:+--extra=$EXTRA}
COPY README.md LICENSE ./
COPY probes probes
COPY monitor monitor
RUN uv build --wheel --out-dir /tmp/wheel \
 && uv pip install --python /opt/diemcau --no-deps /tmp/wheel/*.whl

FROM python:3.11.13-slim-bookworm
# Raw ICMP sockets for a user who is not root: the capability goes onto the interpreter. The container must be allowed
# it (Docker's default; after cap_drop, cap_add: [NET_RAW]) and must not be run with no-new-privileges, which ignores
# capabilities of files. An interpreter that has a capability which the container may not have does not start at all.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends libcap2-bin \
 && setcap cap_net_raw=ep "$(readlink --canonicalize /usr/local/bin/python3.11)" \
 && apt-get purge --yes --auto-remove libcap2-bin \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin diemcau \
 && install --directory --owner 10001 --mode 0700 /var/lib/diemcau \
 && install --directory --owner 10001 --mode 0755 /var/lib/alertmanager
COPY --from=build /opt/diemcau /opt/diemcau
COPY config /etc/diemcau
ENV PATH=/opt/diemcau/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 DIEMCAU_STATE=/var/lib/diemcau
# The secret that signs links (lost, each must be handed out anew), and the store: check-ins, snapshots, accounts.
VOLUME /var/lib/diemcau
USER diemcau
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/-/healthy', timeout=2)"]
ENTRYPOINT ["diemcau"]
CMD ["run", "--config", "/etc/diemcau", "--listen", ":8080", "--log-format", "json"]
