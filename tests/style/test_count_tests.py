"""What tools/count-tests counts as passed, failed and skipped; above all, that nothing lost is a success."""

import json
import pathlib
import subprocess

import pytest

TOOL = pathlib.Path(__file__).resolve().parents[2] / "tools/count-tests"


@pytest.fixture
def tally(tmp_path):
    return tmp_path / "tally"


def count(*arguments):
    done = subprocess.run([TOOL, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def total(tally):
    """The last line of `total`, its exit status, and all that it said."""
    done = subprocess.run([TOOL, "total", tally], capture_output=True, text=True)
    return done.stdout.splitlines()[-1], done.returncode, done.stdout


def count_program(tally, tmp_path, stdout, result="OK", returncode=0, status=0):
    log = tmp_path / "testlog.json"
    log.write_text(json.dumps({"name": "test_key", "stdout": stdout, "result": result,
                               "returncode": returncode}) + "\n")
    count("meson", tally, "unit", log, str(status))


def count_pytest(tally, tmp_path, cases, status=0):
    results = tmp_path / "junit.xml"
    results.write_text(f"<testsuites><testsuite>{cases}</testsuite></testsuites>")
    count("junit", tally, "scenarios", results, str(status))


def test_each_test_in_a_program_counts(tally, tmp_path):
    count_program(tally, tmp_path, "1..2\nok 1 - a key is read\nnoise\nok 2 - a key is written\n")
    assert total(tally)[:2] == ("2 passed, 0 failed, 0 skipped", 0)


def test_a_failed_test_fails_the_whole_and_is_named(tally, tmp_path):
    count_program(tally, tmp_path, "1..2\nok 1 - one\nnot ok 2 - two\n", "FAIL", 1, 1)
    last, status, said = total(tally)
    assert (last, status) == ("1 passed, 1 failed, 0 skipped", 1)
    assert "failed: unit: test_key: two" in said


@pytest.mark.parametrize("line", ["ok 2 # SKIP needs a network", "not ok 2 # SKIP needs a network"])
def test_a_skipped_test_is_named_in_the_words_of_either_cmocka(tally, tmp_path, line):
    count_program(tally, tmp_path, f"TAP version 13\n1..2\nok 1 - one\n{line}\n", "ERROR", 0, 1)
    last, _, said = total(tally)
    assert last.endswith("1 skipped")
    assert "skipped: unit: test_key: needs a network" in said


def test_tests_after_a_crash_count_as_failed(tally, tmp_path):
    count_program(tally, tmp_path, "1..4\nok 1 - one\n", "ERROR", -11, 1)
    assert total(tally)[:2] == ("1 passed, 3 failed, 0 skipped", 1)


def test_a_leak_reported_after_the_last_test_counts_as_failed(tally, tmp_path):
    count_program(tally, tmp_path, "1..1\nok 1 - one\n", "ERROR", 99, 1)
    assert total(tally)[:2] == ("1 passed, 1 failed, 0 skipped", 1)


def test_a_program_without_tap_is_one_test(tally, tmp_path):
    count_program(tally, tmp_path, "")
    count_program(tally, tmp_path, "", "TIMEOUT", -15, 1)
    assert total(tally)[:2] == ("1 passed, 1 failed, 0 skipped", 1)


def test_pytest_results_count_with_the_reason_of_a_skip(tally, tmp_path):
    count_pytest(tally, tmp_path, '<testcase classname="t" name="a"/>'
                 '<testcase classname="t" name="b"><skipped message="java is not installed"/></testcase>'
                 '<testcase classname="t" name="c"><failure message="boom"/></testcase>'
                 '<testcase classname="t" name="d"><error message="no fixture"/></testcase>', 1)
    last, status, said = total(tally)
    assert (last, status) == ("1 passed, 2 failed, 1 skipped", 1)
    assert "skipped: scenarios: t.b (java is not installed)" in said
    assert "failed: scenarios: t.c (boom)" in said


def test_a_runner_that_fails_without_a_failed_test_is_a_failure(tally, tmp_path):
    count_pytest(tally, tmp_path, '<testcase classname="t" name="a"/>', 3)
    assert total(tally)[:2] == ("1 passed, 1 failed, 0 skipped", 1)


def test_a_runner_that_ran_nothing_is_a_failure(tally, tmp_path):
    count_pytest(tally, tmp_path, "", 5)
    assert total(tally)[:2] == ("0 passed, 1 failed, 0 skipped", 1)


def test_results_that_are_missing_are_a_failure(tally, tmp_path):
    count("junit", tally, "scenarios", tmp_path / "none.xml", "4")
    assert total(tally)[:2] == ("0 passed, 1 failed, 0 skipped", 1)


def test_no_tally_at_all_is_a_failure(tally):
    assert total(tally)[:2] == ("0 passed, 0 failed, 0 skipped", 1)
