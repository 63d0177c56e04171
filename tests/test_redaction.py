"""Secrets are taken out of what is written down about a run."""

import json

from orca_core.redaction import redacted


def test_values_of_keys_that_name_a_secret_are_hidden_however_deep():
    config = {"teacher": {"api_key": "sk-1", "endpoints": [{"token": "t-2", "api_key_env": "MY_KEY", "workers": 3}]}}
    assert redacted(config) == {
        "teacher": {"api_key": "***", "endpoints": [{"token": "***", "api_key_env": "MY_KEY", "workers": 3}]}
    }


def test_a_number_called_tokens_is_no_secret():
    assert redacted({"max_tokens": 300, "tokens": 5, "token": None}) == {"max_tokens": 300, "tokens": 5, "token": None}


def test_credentials_inside_addresses_are_hidden():
    assert redacted(["https://me:pw@host/v1", "http://host/v1"]) == ["https://***@host/v1", "http://host/v1"]


def test_a_runs_files_hold_no_credentials_of_an_address_that_was_typed(project):
    run = ("run", "sampler=sums", "teacher=adder", "student=memory", "evaluator=[all-sums]", "curriculum=single")
    result = project.orca(*run, 'compare="http://me:hunter2@proxy:1"')
    assert result.returncode == 0, result.stderr
    (report,) = project.reports()
    for file in (report, report.with_name("manifest.json"), report.with_name("report.html")):
        assert "hunter2" not in file.read_text()
    assert json.loads(report.read_text())["overrides"]
