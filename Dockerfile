# One image for every process of the hub: what runs is the command.

FROM python:3.11.15-slim AS parts
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1
RUN python -m venv --without-pip /opt/hub
COPY requirements.txt /
# wheels only: nothing is compiled, and every file is one that was pinned by its hash
RUN python -m pip --python /opt/hub/bin/python install \
      --require-hashes --no-deps --only-binary=:all: --requirement /requirements.txt
COPY hub /srv/fenghuo/hub
COPY web /srv/fenghuo/web
COPY streams /srv/fenghuo/streams
COPY templates /srv/fenghuo/templates
COPY channels /srv/fenghuo/channels
COPY preferences /srv/fenghuo/preferences
# -P: only the checkout's own packages, wherever the process stands; compiled now, since nothing
# can be written later
RUN printf '#!/bin/sh\nexec python -P -m hub "$@"\n' > /opt/hub/bin/hub \
 && chmod 755 /opt/hub/bin/hub \
 && /opt/hub/bin/python -m compileall -q /opt/hub /srv/fenghuo

FROM python:3.11.15-slim
RUN useradd --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin hub \
 && install -d -o hub -g hub -m 700 /var/lib/fenghuo
COPY --from=parts /opt/hub /opt/hub
COPY --from=parts /srv/fenghuo /srv/fenghuo
# what a library insists on writing goes to /tmp, which is memory
ENV PATH=/opt/hub/bin:$PATH \
    PYTHONPATH=/srv/fenghuo \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    HOME=/tmp \
    HUB_DATA_DIR=/var/lib/fenghuo
WORKDIR /tmp
USER 10001:10001
ENTRYPOINT ["hub"]
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 CMD ["hub", "health"]
