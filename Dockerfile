# The app for a class, on the processor alone. docs/hosting.md: how to run it, and what of this file was tried.
FROM debian:bookworm-slim

RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --uid 1000 --create-home vitrm \
 && install -d -o vitrm -g vitrm /var/lib/vitrm

# What changes seldom comes first. TORCH=cpu is a third of the size; an empty one is the ordinary build.
ARG TORCH=cpu
COPY requirements.txt /src/
RUN python3 -m venv /tmp/uv \
 && /tmp/uv/bin/python -m pip install -q --no-cache-dir uv \
 && python3 -m venv --without-pip /opt/vitrm \
 && /tmp/uv/bin/uv pip install -q --no-cache --compile-bytecode --python /opt/vitrm/bin/python \
    ${TORCH:+--torch-backend "$TORCH"} -r /src/requirements.txt \
 && rm -rf /tmp/uv

COPY pyproject.toml README.md LICENSE /src/
COPY .streamlit /src/.streamlit
COPY app /src/app
COPY pages /src/pages
COPY results /src/results
COPY checkpoints /src/checkpoints
COPY vitrm /src/vitrm
RUN python3 -m venv /tmp/uv \
 && /tmp/uv/bin/python -m pip install -q --no-cache-dir uv \
 && /tmp/uv/bin/uv pip install -q --no-cache --compile-bytecode --python /opt/vitrm/bin/python --no-deps /src \
 && rm -rf /tmp/uv /src

# Nothing is written but under VITRM_HOME (runs and data: the one volume) and /tmp, so the rest may be read-only.
ENV PATH=/opt/vitrm/bin:/usr/bin:/bin \
    PYTHONDONTWRITEBYTECODE=1 \
    VITRM_HOME=/var/lib/vitrm \
    PORT=8501 \
    STREAMLIT_SERVER_BASE_URL_PATH=
VOLUME /var/lib/vitrm
WORKDIR /var/lib/vitrm
USER 1000
EXPOSE 8501
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["python", "-c", "import os, urllib.request as web; at = [os.environ['PORT'], os.environ['STREAMLIT_SERVER_BASE_URL_PATH'].strip('/'), '_stcore/health']; web.urlopen('http://127.0.0.1:' + '/'.join(filter(None, at)), timeout=5)"]
CMD ["sh", "-c", "exec vitrm app --host 0.0.0.0 --port \"$PORT\" --no-browser"]
