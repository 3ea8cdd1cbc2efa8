"""The check `prometheus` against a real Prometheus."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest
from tests.backends.prometheus_server import TRIALS, Scraped
from tests.checks.fakes import FakeContext, look

from seatrial.checks.prometheus import PrometheusCheck
from seatrial.model.result import Category, Observation

pytestmark = pytest.mark.backend("prometheus")

FREE = iter(TRIALS)


class Trial:
    """A trial with a program of its own."""

    def __init__(self, prometheus: Scraped, name: str, text: str = "") -> None:
        self.prometheus, self.id = prometheus, name
        if text:
            self.shows(text)

    def shows(self, text: str | None) -> None:
        self.prometheus.shows(self.id, text)

    def look(self, query: str, **keys: Any) -> Observation:
        ctx = FakeContext()
        ctx.trial_id = self.id
        return look(PrometheusCheck(query=query, **{"url": self.prometheus.url, "scrape_within": 10.0, **keys}), ctx)


@pytest.fixture
def trial(prometheus: Scraped) -> Trial:
    return Trial(prometheus, next(FREE))


def test_a_value_is_compared_and_no_other_run_is_counted(prometheus: Scraped) -> None:
    mine = Trial(prometheus, next(FREE), "orders_total 3\n")
    Trial(prometheus, next(FREE), "orders_total 40\n")
    assert mine.look("sum(orders_total) == 3").verdict == "passed"
    wrong = mine.look("sum(orders_total) == 43")
    assert (wrong.verdict, wrong.seen, wrong.expected) == ("failed", 3.0, "== 43")
    assert mine.look("sum(orders_total)", at_least=3, at_most=3).verdict == "passed"
    assert mine.look("sum(orders_total)", at_least=4).verdict == "failed"
    assert mine.look("sum(orders_total)", equals=3, that="value > 2.0 && count == 1").verdict == "passed"
    assert mine.look("sum(orders_total)", that="value > 3.0").verdict == "failed"
    assert mine.look("4 > sum(orders_total)").verdict == "passed"


def test_without_a_label_all_runs_are_counted(prometheus: Scraped) -> None:
    Trial(prometheus, next(FREE), "shared_total 1\n"), Trial(prometheus, next(FREE), "shared_total 2\n")
    assert Trial(prometheus, next(FREE)).look("sum(shared_total) == 3", label="").verdict == "passed"


def test_each_series_must_be_right(trial: Trial) -> None:
    trial.shows('queue{of="a"} 1\nqueue{of="b"} 7\n')
    wrong = trial.look("queue < 5")
    assert wrong.verdict == "failed"
    assert "of=b" in wrong.why
    assert trial.look("queue < 9", count=2).verdict == "passed"
    assert "2 series, expected 3" in trial.look("queue < 9", count=3).why


def test_a_value_scraped_before_the_look_is_not_believed(trial: Trial) -> None:
    trial.shows("errors_now 0\n")
    trial.prometheus.programs[trial.id] = "errors_now 5\n"  # Prometheus has not seen it yet
    assert trial.look("errors_now == 0").verdict == "failed"


def test_an_old_sample_will_do_where_the_document_says_so(trial: Trial) -> None:
    trial.shows("errors_now 0\n")
    ahead = time.time() + 3600
    late = trial.look("errors_now == 0", scraped_since=ahead, scrape_within=0.3)
    assert (late.verdict, late.seen) == ("unknown", "not scraped")
    assert "not scraped since" in late.why
    assert trial.look("errors_now == 0", scraped_since=time.time() - 60).verdict == "passed"
    assert trial.look("errors_now == 0", fresh=False).verdict == "passed"


def test_the_first_scrape_of_a_trial_is_awaited(prometheus: Scraped, trial: Trial) -> None:
    first = f'first_total{{e2e_run_id="new-{trial.id}"}} 3\n'
    timer = threading.Timer(0.3, lambda: prometheus.programs.update(bare2=first))
    timer.start()
    assert trial.look("first_total == 3", label_value=f"new-{trial.id}", scrape_within=60.0).verdict == "passed"
    timer.join()


def test_no_data_is_not_0(trial: Trial) -> None:
    nothing = trial.look("no_such_total == 0")
    assert (nothing.verdict, nothing.seen) == ("unknown", "no data")
    assert "no_such_total has no series with e2e_run_id=" in nothing.why
    assert trial.look("no_such_total == 0", no_data="failed").verdict == "failed"
    assert trial.look("no_such_total", that="values.all(v, v == 0.0)").verdict == "unknown"


def test_zero_by_the_query_itself_needs_a_scraped_target(prometheus: Scraped, trial: Trial) -> None:
    assert trial.look("sum(no_such_total) or vector(0)", equals=0).verdict == "passed"
    trial.id = "nobody"
    nothing = trial.look("sum(no_such_total) or vector(0)", equals=0, scrape_within=3.0)
    assert nothing.verdict == "unknown"
    assert "no target with it is scraped" in nothing.why


def test_a_target_that_is_gone_is_stale_and_one_that_is_down_is_named(prometheus: Scraped, trial: Trial) -> None:
    trial.shows("jobs_total 3\n")
    trial.shows(None)
    prometheus.until_not(f'jobs_total{{e2e_run_id="{trial.id}"}}')
    gone = trial.look("jobs_total == 3")
    assert gone.verdict == "unknown"
    assert "jobs_total is stale: its last sample is of" in gone.why
    assert "target down: http://127.0.0.1" in gone.why


def test_metrics_without_the_label_fail_the_check(prometheus: Scraped, trial: Trial) -> None:
    prometheus.shows("bare1", f"bare_{trial.id}_total 3\n")
    bare = trial.look(f"bare_{trial.id}_total == 3")
    assert (bare.verdict, bare.category) == ("failed", Category.TEST)
    assert "carries no label e2e_run_id" in bare.why
    hidden = trial.look(f"sum(bare_{trial.id}_total) or vector(0)", equals=0)
    assert hidden.verdict == "failed"
    assert trial.look(f"bare_{trial.id}_total == 3", label="").verdict == "passed"


def test_metrics_of_others_only_are_no_data(prometheus: Scraped, trial: Trial) -> None:
    Trial(prometheus, next(FREE), f"only_{trial.id} 3\n")
    assert "1 other runs have some" in trial.look(f"only_{trial.id} == 3").why


def test_a_value_that_is_no_number_is_no_data(trial: Trial) -> None:
    trial.shows("good_total 0\nall_total 0\n")
    nothing = trial.look("good_total / all_total >= 0")
    assert nothing.verdict == "unknown"
    assert "NaN" in nothing.why


def test_an_increase_is_exact_and_survives_resets(trial: Trial) -> None:
    trial.shows("orders_total 10\n")
    mark = time.time()
    for value in (12, 15, 2, 3):
        trial.shows(f"orders_total {value}\n")
    assert trial.look("orders_total == 8", increase_since=mark).verdict == "passed"
    assert trial.look("sum(orders_total)", equals=8, increase_since=mark).verdict == "passed"
    wrong = trial.look("sum by (e2e_run_id) (orders_total) == 3", increase_since=mark)
    assert (wrong.verdict, "is 8, expected == 3" in wrong.why) == ("failed", True)


def test_a_counter_without_increase_is_0_and_one_that_is_born_counts_whole(trial: Trial) -> None:
    trial.shows("orders_total 10\n")
    mark = time.time()
    trial.shows("orders_total 10\nrefunds_total 2\n")
    assert trial.look("orders_total == 0", increase_since=mark).verdict == "passed"
    assert trial.look("refunds_total == 2", increase_since=mark).verdict == "passed"
    assert trial.look("no_such_total == 0", increase_since=mark).verdict == "unknown"


def test_prometheus_tells_no_increase_since_a_time_before_its_own(trial: Trial) -> None:
    trial.shows("orders_total 10\n")
    old = trial.look("orders_total == 10", increase_since=time.time() - 86400)
    assert (old.verdict, "does not know the time" in old.why) == ("unknown", True)


def test_a_gauge_has_no_increase(trial: Trial) -> None:
    trial.shows(f"# TYPE level_{trial.id} gauge\nlevel_{trial.id} 10\n")
    level = trial.look(f"level_{trial.id} == 0", increase_since=time.time())
    assert (level.verdict, "is a gauge" in level.why) == ("unknown", True)


def test_an_invariant_holds_at_each_moment(trial: Trial) -> None:
    trial.shows("leaders 1\n")
    mark = time.time()
    trial.shows("leaders 1\n")
    assert trial.look("leaders == 1", always_since=mark, step=0.1).verdict == "passed"
    trial.shows("leaders 2\n")
    trial.shows("leaders 1\n")
    broken = trial.look("leaders == 1", always_since=mark, step=0.1)
    assert broken.verdict == "failed"
    assert "was 2 at" in broken.why
    assert trial.look("max(leaders) == 1", always_since=mark, step=0.1).verdict == "failed"
    assert trial.look("leaders", that="values.all(v, v < 3.0)", always_since=mark, step=0.1).verdict == "passed"


def test_a_gap_in_a_window_is_no_data(trial: Trial) -> None:
    trial.shows("leaders 1\n")
    mark = time.time()
    trial.shows(None)
    trial.shows("leaders 1\n")
    gap = trial.look("leaders == 1", always_since=mark, step=0.1)
    assert (gap.verdict, gap.seen) == ("unknown", "a gap")
    assert trial.look("leaders == 1", always_for=3600.0, step=1.0).verdict == "unknown"


def test_recording_rules_stay_as_they_are_where_told(prometheus: Scraped, trial: Trial) -> None:
    trial.shows("orders_total 3\n")
    prometheus.until("all:orders:sum > 0")
    assert trial.look("all:orders:sum > 0", recorded="all:*").verdict == "passed"
    assert trial.look("all:orders:sum > 0").verdict == "failed"  # it carries no label


def alert(trial: Trial, name: str, state: str, **keys: Any) -> Observation:
    return trial.look("", alert=name, state=state, **keys)


def test_an_alert_fires_or_not(trial: Trial) -> None:
    trial.shows("errors_now 0\n")
    assert alert(trial, "Errors", "inactive").verdict == "passed"
    assert alert(trial, "Errors", "firing").verdict == "failed"
    trial.shows("errors_now 2\n")
    assert alert(trial, "Errors", "firing").verdict == "passed"
    assert alert(trial, "Errors", "inactive").verdict == "failed"
    assert alert(trial, "ErrorsForLong", "pending").verdict == "passed"


def test_an_alert_that_cannot_tell_is_unknown(prometheus: Scraped, trial: Trial) -> None:
    silent = alert(trial, "Errors", "inactive")
    assert (silent.verdict, "errors_now has no series" in silent.why) == ("unknown", True)
    absent = alert(trial, "Eror", "inactive")
    assert (absent.verdict, "no alerting rule 'Eror'" in absent.why) == ("unknown", True)
    trial.shows('twice_now{of="a"} 1\ntwice_now{of="b"} 1\n')
    broken = alert(trial, "Broken", "inactive")
    assert (broken.verdict, "does not work" in broken.why) == ("unknown", True)


def test_an_alert_without_the_label_fails_the_check(prometheus: Scraped, trial: Trial) -> None:
    trial.shows("bare_errors_now 1\n")
    for state in ("firing", "inactive"):
        bare = alert(trial, "ErrorsOfAll", state)
        assert (bare.verdict, "without the label" in bare.why) == ("failed", True)
    trial.shows("")


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sum(", "invalid PromQL"), ("", "exactly one of"), ("up", "nothing is expected"), ("up == ", "invalid PromQL"),
    ],
)  # fmt: skip
def test_a_query_that_can_never_tell_is_refused(query: str, says: str) -> None:
    assert says in str(list(PrometheusCheck(query=query, url="http://p").check_fields()))


def test_contradictions_are_refused() -> None:
    good = PrometheusCheck(query="up == 1", url="http://p")
    assert list(good.check_fields()) == []
    for keys, says in (
        ({"equals": 1}, "already compares"), ({"count": 0}, "at least 1"), ({"url": ""}, "missing URL"),
        ({"url": "ftp://p"}, "invalid URL"), ({"increase_since": 1, "always_for": 1.0}, "keep one"),
        ({"query": "max(up) == 1", "increase_since": 1}, "a selector or"), ({"alert": "A"}, "exactly one"),
    ):  # fmt: skip
        assert says in str(list(replace(good, **keys).check_fields()))
