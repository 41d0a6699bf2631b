"""The house's rules that `lint-imports` does not know: who starts tasks, and where the tests of each module stand."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

import fanout

HOUSE = Path(fanout.__file__).parent
TESTS = Path(__file__).parents[1]
MODULES = sorted(str(path.relative_to(HOUSE))[:-3] for path in HOUSE.rglob("*.py") if path.name[0] != "_")

STARTERS = (
    "engine/pipeline",  # the only file of the engine
    "runtime/supervisor",  # what goes on beside a run
    "runtime/session",  # and beside what it has opened
    "concurrency/side_by_side",  # calls whose results are waited for together
    "shards/processes",
    "shards/work",
    "aws/*",  # the edge
    "simulator/*",
)
COVERED = {
    "aws/clients": "tests/unit/aws/test_session.py",
    "aws/control_retry": "tests/unit/aws/test_run_queue.py",
    "aws/errors": "tests/unit/aws/test_call_errors.py",
    "aws/http/*": "tests/unit/aws/http/test_requests.py",
    "aws/lazy_clients": "tests/unit/aws/test_session.py",
    "aws/leftovers": "tests/contract/test_leftovers.py",
    "aws/regions": "tests/unit/aws/test_session.py",
    "aws/parts": "tests/unit/aws/sdk/test_multipart.py",
    "aws/s3_arguments": "tests/unit/aws/sdk/test_objects.py",
    "aws/settings": "tests/unit/aws/test_session.py",
    "aws/timeouts": "tests/unit/aws/sdk/test_transport_facts.py",
    "bench/arrivals": "tests/unit/bench/test_experiment.py",
    "bench/*": "tests/e2e/test_bench.py",
    "cli/*": "tests/e2e/test_first_steps.py",
    "commands/cancel": "tests/unit/commands/test_shard.py",
    "commands/merge": "tests/unit/commands/test_shard.py",
    "commands/shard_place": "tests/unit/commands/test_shard.py",
    "commands/leftovers": "tests/unit/commands/test_gc.py",
    "commands/doctor/*": "tests/unit/commands/doctor/test_examine.py",
    "commands/export": "tests/e2e/test_status.py",
    "commands/rebuild": "tests/crash/test_damage.py",
    "commands/discard_place": "tests/unit/commands/test_find_place.py",
    "commands/place_status": "tests/unit/commands/test_find_place.py",
    "commands/remove_place": "tests/unit/commands/test_places_left.py",
    "commands/report": "tests/unit/commands/test_outputs_in_s3.py",
    "commands/re*": "tests/crash/test_interruptions.py",
    "commands/run": "tests/e2e/test_run.py",
    "commands/s3_scan": "tests/crash/test_damage.py",
    "commands/status": "tests/e2e/test_status.py",
    "concurrency/threads": "tests/unit/engine/test_journal_writer.py",
    "config/*": "tests/unit/config/test_load.py",
    "domain/leftovers": "tests/contract/test_leftovers.py",
    "domain/account_facts": "tests/unit/aws/test_backlog.py",
    "domain/limits": "tests/unit/domain/test_routing.py",
    "domain/percentiles": "tests/unit/analysis/test_quantiles.py",
    "domain/prices": "tests/unit/analysis/test_prices.py",
    "domain/records": "tests/unit/domain/test_routing.py",
    "domain/row_state": "tests/unit/rundir/test_journal.py",
    "engine/de*": "tests/unit/engine/test_open_rows.py",
    "engine/open_row": "tests/unit/engine/test_open_rows.py",
    "engine/row_counts": "tests/property/engine/test_open_rows.py",
    "engine/row_places": "tests/unit/engine/test_open_rows.py",
    "engine/settled_rows": "tests/unit/engine/test_open_rows.py",
    "engine/flow": "tests/simulation/test_engine.py",
    "engine/s*": "tests/simulation/test_engine.py",
    "engine/pipeline": "tests/simulation/test_engine.py",
    "engine/wiring": "tests/simulation/test_engine.py",
    "engine/stages/*": "tests/simulation/test_engine.py",
    "failpoints": "tests/crash/test_failpoints.py",
    "output/conversion": "tests/unit/output/test_schema.py",
    "output/merge_cursor": "tests/unit/output/test_merge.py",
    "output/parquet": "tests/unit/output/test_parts.py",
    "ports": "tests/contract/test_objects.py",
    "report/*": "tests/unit/report/test_forms.py",
    "rundir/manifest": "tests/crash/test_damage.py",
    "rundir/paths": "tests/crash/test_damage.py",
    "rundir/recovery": "tests/property/rundir/test_journal.py",
    "runtime/*": "tests/e2e/test_run.py",
    "shards/binding": "tests/unit/commands/test_shard.py",
    "shards/cancellation": "tests/unit/commands/test_shard.py",
    "shards/launcher": "tests/unit/shards/test_work.py",
    "shards/processes": "tests/e2e/test_processes.py",
    "shards/ray": "tests/ray/test_ray.py",
    "simulator/bucket": "tests/unit/simulator/test_objects.py",
    "simulator/http/clockwork": "tests/contract/simulator/test_latency.py",
    "simulator/http/cloudwatch": "tests/contract/test_backlog.py",
    "simulator/http/refusals": "tests/contract/simulator/test_signatures.py",
    "simulator/http/s3*": "tests/contract/simulator/test_s3.py",
    "simulator/http/server": "tests/contract/simulator/test_process.py",
    "simulator/http/sns": "tests/contract/simulator/test_messages.py",
    "simulator/http/sqs*": "tests/contract/simulator/test_messages.py",
    "simulator/http/sts": "tests/contract/simulator/test_signatures.py",
    "simulator/http/*": "tests/contract/simulator/test_runtime.py",
    "simulator/notifications": "tests/unit/simulator/test_announcer.py",
    "simulator/ports/leftovers": "tests/contract/test_leftovers.py",
    "simulator/ports/latency": "tests/contract/simulator/test_latency.py",
    "simulator/process": "tests/contract/simulator/test_process.py",
    "simulator/queue": "tests/unit/simulator/test_queues.py",
    "simulator/*": "tests/unit/simulator/test_world.py",
    "source/jsonl/*": "tests/unit/source/jsonl/test_reader.py",
    "source/parquet/*": "tests/unit/source/parquet/test_reader.py",
    "source/*": "tests/unit/source/test_source.py",
    "testing": "tests/unit/simulator/ports/test_cloud.py",
}
"""Modules without a test file of their own: the suite that covers them. The first pattern that fits counts."""


def own_tests(module: str) -> list[Path]:
    room, _, name = module.rpartition("/")
    levels = (TESTS / "unit", TESTS / "property")
    return [path for level in levels if (path := level / room / f"test_{name}.py").exists()]


def suite(module: str) -> str | None:
    return next((path for pattern, path in COVERED.items() if fnmatch(module, pattern)), None)


def test_a_module_has_its_tests_where_its_name_says_or_names_the_suite_that_covers_it():
    assert len(MODULES) > 300
    covering = {module: suite(module) for module in MODULES if not own_tests(module)}
    assert [m for m, path in covering.items() if path is None or not (TESTS.parent / path).exists()] == []


def test_the_list_names_nothing_that_has_gone():
    used = {suite(module) for module in MODULES if not own_tests(module)}
    assert [pattern for pattern, path in COVERED.items() if path not in used] == []


def test_one_file_of_the_engine_starts_tasks():
    starters = {m for m in MODULES if "create_task_group" in (HOUSE / f"{m}.py").read_text()}
    assert {m for m in starters if not any(fnmatch(m, pattern) for pattern in STARTERS)} == set()


def test_no_task_group_stands_between_an_error_of_the_run_and_its_caller():
    rooms = ("runtime/*", "observability/*", "shards/*", "commands/*", "bench/*", "cli/*", "api/*")
    texts = {m: (HOUSE / f"{m}.py").read_text() for m in MODULES if any(fnmatch(m, room) for room in rooms)}
    opening = {m for m, text in texts.items() if "create_task_group(" in text or "BlockingPortal(" in text}
    assert opening == {
        "runtime/session",
        "runtime/supervisor",
        "shards/processes",
        "shards/work",
        "observability/metrics/http",
    }
    assert {m for m in opening if "with unwrapped():" not in texts[m]} == set()


def test_the_house_is_small_at_the_top():
    modules = list(HOUSE.glob("*.py"))
    rooms = [path for path in HOUSE.iterdir() if (path / "__init__.py").exists()]
    assert len(modules) <= 10
    assert len(rooms) <= 18


def test_no_file_is_long():
    lines = {path: len(path.read_text().splitlines()) for path in HOUSE.rglob("*.py")}
    assert {path: count for path, count in lines.items() if count > 400} == {}


def test_no_stage_reads_another_clock_than_the_one_that_it_was_handed():
    """Time in tests is virtual, and a suspended machine must not make two clocks of one run."""
    read = re.compile(r"\b(anyio\.(current_time|sleep\()|time\.(time|monotonic|perf_counter)|datetime\.now)")
    engine = {
        module: (HOUSE / f"{module}.py").read_text() for module in MODULES if module.startswith("engine/")
    }
    assert {module for module, text in engine.items() if read.search(text)} == set()
