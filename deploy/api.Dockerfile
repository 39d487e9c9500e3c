# The API: no torch, no worker/. Build from the project's root: docker build -f deploy/api.Dockerfile .
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

COPY pyproject.toml constraints.txt README.md LICENSE alembic.ini ./
COPY api ./api
COPY cli ./cli
COPY migrations ./migrations
COPY shared ./shared
RUN pip install -c constraints.txt -e '.[api]'
COPY models ./models

RUN useradd --create-home genequeue
USER genequeue
CMD ["python", "-m", "api", "--host", "0.0.0.0"]
