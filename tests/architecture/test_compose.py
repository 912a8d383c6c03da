"""docker-compose.yml, read as Compose would read it: what it starts exists, in an order that works."""

import re
import tomllib
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SERVICES = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))["services"]
OURS = {name: service for name, service in SERVICES.items() if "build" in service}
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")


def waits_for(name):
    return {other: asked["condition"] for other, asked in SERVICES[name].get("depends_on", {}).items()}


def test_all_parts_are_there():
    assert {"postgres", "redis", "migrate", "worker", "beat"} <= set(SERVICES)


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_an_image_or_is_built(name):
    assert {"image", "build"} & set(SERVICES[name])


def test_images_name_their_release():
    images = {name: service["image"] for name, service in SERVICES.items() if name not in OURS}

    assert not {name: image for name, image in images.items() if not re.fullmatch(r"[a-z/]+:\d+(\.\d+)*", image)}
    assert images["postgres"] == "postgres:18"


@pytest.mark.parametrize("name", OURS)
def test_our_services_know_where_journal_and_broker_are(name):
    environment = OURS[name]["environment"]

    assert re.fullmatch(r"postgresql\+psycopg://\w+:\w+@postgres/\w+", environment["SQUIDIE_DATABASE_URL"])
    assert re.fullmatch(r"redis://redis:6379/\d+", environment["SQUIDIE_REDIS_URL"])


def test_the_journal_belongs_to_whom_the_url_says():
    postgres = SERVICES["postgres"]["environment"]
    url = f"{postgres['POSTGRES_USER']}:{postgres['POSTGRES_PASSWORD']}@postgres/{postgres['POSTGRES_DB']}"

    assert all(service["environment"]["SQUIDIE_DATABASE_URL"].endswith(url) for service in OURS.values())


@pytest.mark.parametrize("name", OURS)
def test_a_command_is_installed_in_the_image(name):
    program = OURS[name]["command"][0]

    assert program in SCRIPTS or (program == "celery" and find_spec("celery"))


@pytest.mark.parametrize("name", ["worker", "beat"])
def test_celery_is_given_an_app_that_exists_and_is_copied_into_the_image(name):
    command = OURS[name]["command"]
    app = command[command.index("-A") + 1]

    assert (ROOT / app).is_dir()
    assert f"COPY {app} {app}" in DOCKERFILE
    assert command[3] == name


def test_the_worker_does_without_gossip_mingle_and_heartbeat():
    assert {"--without-gossip", "--without-mingle", "--without-heartbeat"} <= set(OURS["worker"]["command"])


def test_beat_ticks_by_our_scheduler():
    command = OURS["beat"]["command"]
    schedulers = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["entry-points"][
        "celery.beat_schedulers"
    ]

    assert command[command.index("-S") + 1] in schedulers


def test_the_schema_comes_after_postgres_and_before_everybody_else():
    assert OURS["migrate"]["command"] == ["squidie", "migrate"]
    assert OURS["migrate"]["restart"] == "no"
    assert waits_for("migrate") == {"postgres": "service_healthy"}
    for name in ("worker", "beat"):
        assert waits_for(name) == {"migrate": "service_completed_successfully", "redis": "service_healthy"}


def test_who_is_waited_for_can_be_asked():
    awaited = {
        other for name in SERVICES for other, condition in waits_for(name).items() if condition == "service_healthy"
    }

    assert awaited == {name for name, service in SERVICES.items() if "healthcheck" in service}


def test_everything_copied_into_the_image_exists():
    sources = [word for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]

    assert sources
    assert not [source for source in sources if not (ROOT / source).exists()]
