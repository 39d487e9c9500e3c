"""The dashboard, the scrape configuration and the alerts fit each other and the figures that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from prometheus_client import CollectorRegistry

from shared import metrics

ROOT = Path(__file__).resolve().parents[3]
DEPLOY = ROOT / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "genequeue.json").read_text())
RULES: dict[str, Any] = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
SCRAPE: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
# Of Prometheus itself, and of every process.
FOREIGN = {"up", "process_resident_memory_bytes"}
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
NAME = re.compile(r"\b(?:genequeue_\w+|process_\w+|up)\b")
SELECTION = re.compile(r"(genequeue_\w+)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|on)\s*\(([^)]*)\)")


def alerts() -> Iterator[dict[str, Any]]:
    return (rule for group in RULES["groups"] for rule in group["rules"])


def expressions() -> list[str]:
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return panels + [rule["expr"] for rule in alerts()]


def labels_of(registry: CollectorRegistry) -> dict[str, set[str]]:
    """The series of a registry, with the labels of each."""
    found = {}
    for collector in registry._collector_to_names:
        for family in collector.describe() if hasattr(collector, "describe") else ():
            labels = set(getattr(collector, "_labelnames", ()))
            for suffix in SUFFIXES.get(family.type, ()):
                found[family.name + suffix] = labels | ({"le"} if suffix == "_bucket" else set())
    return found


def shown() -> dict[str, set[str]]:
    gauges = {gauge.name: set(gauge.labels) for gauge in metrics.GAUGES}
    return gauges | labels_of(metrics.API) | labels_of(metrics.WORKER)


def without_strings(expression: str) -> str:
    return re.sub(r'"[^"]*"', '""', expression)


def test_every_figure_that_is_asked_for_exists() -> None:
    asked = {name for text in expressions() for name in NAME.findall(without_strings(text))}
    assert len(asked) > 12
    assert asked - FOREIGN - shown().keys() == set()


def test_every_figure_is_asked_for_somewhere() -> None:
    text = " ".join(expressions())
    families = {name.removesuffix("_total").removesuffix("_bucket") for name in shown()}
    families -= {
        name for name in families if name.endswith(("_sum", "_count")) or name.startswith("process_")
    }
    unseen = {name for name in families if name not in text}
    assert unseen <= {"genequeue_open_jobs"}


def test_every_label_that_is_selected_belongs_to_its_figure() -> None:
    labels = shown()
    for expression in expressions():
        for name, selectors in SELECTION.findall(expression):
            asked = set(re.findall(r"(\w+)\s*[=!]", selectors))
            assert asked <= labels[name], expression
        named = {label.strip() for group in GROUPING.findall(expression) for label in group.split(",")}
        known = set[str]().union(*(labels.get(name, set()) for name in NAME.findall(expression)))
        assert named <= known, expression


def test_brackets_close_in_every_expression() -> None:
    for expression in expressions():
        text = without_strings(expression)
        assert all(text.count(left) == text.count(right) for left, right in ("()", "[]", "{}")), expression


def test_every_alert_says_how_grave_it_is_and_what_it_means() -> None:
    rules = list(alerts())
    assert len({rule["alert"] for rule in rules}) == len(rules) >= 6
    for rule in rules:
        assert rule["labels"]["severity"] in {"critical", "warning"}
        assert rule["annotations"]["summary"].endswith(".")


def test_prometheus_reads_the_alerts_and_asks_services_that_compose_starts() -> None:
    assert all((DEPLOY / name).is_file() for name in SCRAPE["rule_files"])
    targets = [
        target
        for job in SCRAPE["scrape_configs"]
        for config in job["static_configs"]
        for target in config["targets"]
    ]
    assert {target.split(":")[0] for target in targets} == {"api-1", "api-2", "generation", "upkeep"}
    for target in targets:
        service, port = target.split(":")
        environment = COMPOSE["services"][service]["environment"]
        is_api = service.startswith("api-")
        assert is_api or environment["GENEQUEUE_METRICS_PORT"] == port
        assert is_api or environment["GENEQUEUE_METRICS_HOST"] == "0.0.0.0"


def test_panels_do_not_lie_on_each_other() -> None:
    places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in DASHBOARD["panels"]]
    assert len(set(places)) == len(places)


def test_the_guide_names_every_figure_and_no_other() -> None:
    guide = (ROOT / "docs" / "guides" / "operate.md").read_text()
    named = set(re.findall(r"`(genequeue_\w+)`", guide))
    families = {name for name in shown() if not name.endswith(("_bucket", "_sum", "_count"))}
    histograms = {name.removesuffix("_bucket") for name in shown() if name.endswith("_bucket")}
    assert named == {name for name in families if name.startswith("genequeue_")} | histograms


def test_the_guide_names_every_alert_that_stands_in_its_runbook() -> None:
    guide = (ROOT / "docs" / "guides" / "operate.md").read_text()
    assert set(re.findall(r"`(GeneQueue\w+)`", guide)) <= {rule["alert"] for rule in alerts()}
