# Worker, beat and migrations of the reference deployment.
FROM python:3.13-slim

WORKDIR /srv/squidie
COPY pyproject.toml README.md LICENSE ./
COPY squidie squidie
COPY backends backends
COPY migrations migrations
RUN pip install --no-cache-dir ".[celery]" "psycopg[binary]"

# What the wheel leaves out: the deployment's values, and the workflows it serves.
COPY celery_app celery_app
COPY examples examples

USER nobody
