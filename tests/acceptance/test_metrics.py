"""The check `prometheus` through the real command: settings, marks, and the trial's own label."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.acceptance.harness import Project, suite, validate
from tests.backends.prometheus_server import scraping


@pytest.mark.backend("prometheus")
def test_a_trial_counts_its_own_metrics_since_a_mark(tmp_path: Path) -> None:
    with scraping() as scraped:
        project = Project(tmp_path)
        (tmp_path / "seatrial.toml").write_text(f'[checks.prometheus]\nurl = "{scraped.url}"\nscrape_within = 20\n')

        def shows(value: int) -> dict[str, object]:
            text = f'printf \'orders_total{{e2e_run_id="%s"}} {value}\\n\' "$E2E_RUN_ID"'
            command = f"{text} | curl -sf -X PUT --data-binary @- {scraped.door}/bare1"
            return {"step": "custom_command", "custom_command": command}

        document = project.write("trial.json", suite(
            shows(10), validate("prometheus:sum(orders_total) == 10"),
            {"step": "mark", "id": "before"}, shows(13),
            validate({"check": "prometheus", "query": "orders_total == 3",
                      "increase_since": "${{ steps.before.outputs.time }}"}),
            validate({"check": "prometheus", "query": "orders_total == 13", "increase_since": "${{ trial.start }}"}),
        ))  # fmt: skip
        done = project.seatrial("run", document)
        assert done.returncode == 0, done.stdout + done.stderr
        wrong = project.write("wrong.json", suite(shows(10), validate("prometheus:sum(orders_total) == 23")))
        done = project.seatrial("run", wrong)
        assert done.returncode == 1
        assert "is 10, expected == 23" in done.stdout


@pytest.mark.backend("prometheus")
def test_metrics_without_the_label_contaminate(tmp_path: Path) -> None:
    with scraping() as scraped:
        project = Project(tmp_path)
        (tmp_path / "seatrial.toml").write_text(f'[checks.prometheus]\nurl = "{scraped.url}"\nscrape_within = 20\n')

        def shows(*lines: str) -> dict[str, object]:
            text = f"printf '{''.join(f'{line}{chr(92)}n' for line in lines)}' | sed s/ID/$E2E_RUN_ID/"
            return {
                "step": "custom_command",
                "custom_command": f"{text} | curl -sf -X PUT --data-binary @- {scraped.door}/bare1",
            }

        good = 'orders_total{e2e_run_id="ID"} 10'
        two = validate("prometheus:sum(orders_total) == 10")
        document = project.write("good.json", suite(shows(good), two))
        assert project.seatrial("run", document).returncode == 0
        for line, blame, code in (('orders_total{flow="ID"} 3', "this", 1), ("orders_total 3", "nobody", 0)):
            document = project.write("bad.json", suite(shows(good, line), two))
            done = project.seatrial("run", document)
            assert done.returncode == code, done.stdout + done.stderr
            (row,) = project.results()["results"]
            (finding,) = row["contamination"]
            assert (finding["change"], finding["blame"]) == ("unlabelled", blame)
            assert finding["what"].startswith("Series orders_total{")
            assert "has no label e2e_run_id" in done.stdout


def test_keys_of_checks_in_the_settings_are_checked(tmp_path: Path) -> None:
    project = Project(tmp_path)
    (tmp_path / "seatrial.toml").write_text(
        '[checks.prometheus]\nurl = 3\nlable = "x"\n\n[checks.promethius]\nurl = "http://p"\n'
    )
    document = project.write("trial.json", suite(validate("prometheus:up == 1")))
    done = project.seatrial("check", document)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "seatrial.toml:2:7" in said
    assert "seatrial.toml:3:1: unknown key 'lable'" in said
    assert "did you mean 'label'" in said
    assert "unknown check 'promethius'" in said


def test_a_check_without_a_url_says_where_it_belongs(tmp_path: Path) -> None:
    project = Project(tmp_path)
    document = project.write("trial.json", suite(validate("prometheus:up == 1", "prometheus:sum(up")))
    done = project.seatrial("check", document)
    assert done.returncode == 2
    said = done.stdout + done.stderr
    assert "[checks.prometheus] of seatrial.toml" in said
    assert "invalid PromQL" in said
