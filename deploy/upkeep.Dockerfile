# The upkeep worker: no torch. Build from the project's root: docker build -f deploy/upkeep.Dockerfile .
FROM python:3.13-slim

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PIP_NO_CACHE_DIR=1
WORKDIR /app

COPY pyproject.toml constraints.txt README.md LICENSE alembic.ini ./
COPY shared ./shared
COPY worker ./worker
RUN pip install -c constraints.txt -e '.[artifacts]'

RUN useradd --create-home genequeue
USER genequeue
CMD ["python", "-m", "worker.cpu"]
