"""Invocations with a frequency, in answers and filters, and what ModifyInvocationAttribute does with them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from assist_cli.model.access import Role
from assist_cli.model.ids import Kind, new_id
from assist_cli.model.invocation import Outcome, Record
from assist_cli.model.status import InvocationStatus
from assist_cli.store import records, schedules
from tests.support.calls import AWAY, OTHER, Calls

SCRIPT = {"Type": "RunShellScript", "CommandContent": "echo 1"}
BOTH = {"InstanceId__1": AWAY, "InstanceId__2": OTHER}
MINUTE = timedelta(minutes=1)


def started(calls: Calls, frequency: str = "rate(1h)", **fields: str) -> dict[str, str]:
    made: dict[str, str] = calls("RunCommand", **{**SCRIPT, **BOTH, "Frequency": frequency, **fields})
    return made


def fired(calls: Calls, invoke_id: str, number: int, sent: datetime, instance_id: str = AWAY) -> None:
    """Write a record, and how it ended."""
    record = Record(
        new_id(Kind.RECORD, calls.controller.now_ms()), instance_id, number, InvocationStatus.RUNNING, sent, sent=sent
    )
    settled = Outcome(InvocationStatus.FINISHED, 0, started=sent, finished=sent, accepted=True)
    with calls.controller.database.transaction() as transaction:
        records.add(transaction, invoke_id, [record])
        records.settle(transaction, {record.id: settled})


def found(calls: Calls, **fields: str) -> list[Any]:
    answer = calls("DescribeInvocations", **fields)
    return list(answer["Invocations"]["Invocation"])


def stopped(calls: Calls, invoke_id: str, **where: str) -> None:
    calls("StopInvocation", InvokeId=invoke_id, **where)


def ran(calls: Calls, **fields: str) -> list[str]:
    answer = calls("DescribeInvocationResults", **fields)
    return [each["CommandId"] for each in answer["Invocation"]["InvocationResults"]["InvocationResult"]]


def test_a_record_is_found_by_the_command_that_it_ran(calls: Calls) -> None:
    made = started(calls)
    one, invoke_id, now = made["CommandId"], made["InvokeId"], calls.controller.now()
    fired(calls, invoke_id, 1, now - MINUTE)
    two = calls("ModifyInvocationAttribute", InvokeId=invoke_id, CommandContent="echo 2")["CommandId"]
    fired(calls, invoke_id, 2, now + MINUTE)
    every = {"InvokeId": invoke_id, "IncludeHistory": "true"}
    assert ran(calls, **every) == [two, one]
    assert (ran(calls, CommandId=one, **every), ran(calls, CommandId=two, **every)) == ([one], [two])
    assert (ran(calls, CommandId=one), ran(calls, CommandId=two)) == ([], [two])  # the newest record ran the second
    for each in (one, two):
        assert [item["InvokeId"] for item in found(calls, CommandId=each)] == [invoke_id]
    assert found(calls, CommandId="c-none") == []


def test_a_limited_key_keeps_its_hands_off_a_command_that_ran_elsewhere_before(calls: Calls) -> None:
    mine = calls.of(Role.ADMIN, "away")
    saved = mine("CreateCommand", Name="mine", Type="RunShellScript", CommandContent="dHJ1ZQ==")["CommandId"]
    invoke_id = calls("InvokeCommand", CommandId=saved, Frequency="rate(1h)", InstanceId__1=OTHER)["InvokeId"]
    calls("ModifyInvocationAttribute", InvokeId=invoke_id, CommandContent="echo 2")
    assert mine.refused("ModifyCommand", CommandId=saved, Name="other")[1] == "Forbidden.RAM"


def test_an_instance_that_was_stopped_does_not_join_again(calls: Calls) -> None:
    invoke_id = started(calls)["InvokeId"]
    calls("ModifyInvocationAttribute", InvokeId=invoke_id, **BOTH)  # both run it already
    again = {"InvokeId": invoke_id, "InstanceId__1": OTHER, "ClientToken": "x"}
    answer = calls("ModifyInvocationAttribute", **again)
    stopped(calls, invoke_id, InstanceId__1=OTHER)
    assert calls("ModifyInvocationAttribute", **again)["CommandId"] == answer["CommandId"]  # a retry is answered alike
    status, code, said = calls.refused("ModifyInvocationAttribute", InvokeId=invoke_id, **BOTH)
    assert (status, code) == (403, "InvalidOperation.InvokeAlreadyFinished")
    assert f"it was stopped on {OTHER}" in said


def test_parameters_are_turned_off_with_another_script_only(calls: Calls) -> None:
    values = {"CommandContent": "echo {{a}}", "EnableParameter": "true", "Parameters": '{"a":"1"}'}
    invoke_id = started(calls, **values)["InvokeId"]
    change = {"InvokeId": invoke_id, "EnableParameter": "false"}
    assert calls.refused("ModifyInvocationAttribute", **change)[1] == "InvalidParameter.EnableParameter"
    status, code, _ = calls.refused("ModifyInvocationAttribute", **change, Parameters='{"a":"2"}')
    assert (status, code) == (400, "InvalidParameters.KeyNotMatch")
    calls("ModifyInvocationAttribute", **change, Frequency="rate(2h)")  # as the original: the values stay
    assert found(calls, InvokeId=invoke_id)[0]["Parameters"] == '{"a":"1"}'
    calls("ModifyInvocationAttribute", **change, CommandContent="echo {{a}}")
    assert found(calls, InvokeId=invoke_id)[0]["Parameters"] == "{}"


def test_timed_is_shown_and_found_alike(calls: Calls) -> None:
    invoke_id = started(calls)["InvokeId"]
    limited = calls.of(Role.VIEWER, "other")
    stopped(calls, invoke_id, InstanceId__1=OTHER)
    for caller, more, timed in ((calls, {}, True), (calls, {"InstanceId": OTHER}, False), (limited, {}, False)):
        (shown,) = found(caller, InvokeId=invoke_id, **more)
        assert shown["Timed"] is timed
        for word in (True, False):
            assert bool(found(caller, InvokeId=invoke_id, Timed=str(word), **more)) is (word is timed), more
    places = found(calls, InvokeId=invoke_id)[0]["InvokeInstances"]["InvokeInstance"]
    assert [each["Timed"] for each in places] == [True, False]
    stopped(calls, invoke_id)
    assert (found(calls, InvokeId=invoke_id)[0]["Timed"], found(calls, InvokeId=invoke_id, Timed="true")) == (False, [])


def test_beside_an_instance_an_invocation_is_shown_as_it_stands_there(calls: Calls) -> None:
    invoke_id = started(calls)["InvokeId"]
    stopped(calls, invoke_id, InstanceId__1=OTHER)
    (there,) = found(calls, InvokeId=invoke_id, InstanceId=OTHER)
    assert (there["InvokeStatus"], there["InvocationStatus"]) == ("Stopped", "Stopped")
    assert [each["InstanceId"] for each in there["InvokeInstances"]["InvokeInstance"]] == [OTHER]
    assert found(calls, InvokeId=invoke_id, InstanceId=OTHER, InvokeStatus="Stopped") == [there]
    assert found(calls, InvokeId=invoke_id, InstanceId=OTHER, InvokeStatus="Running") == []


def test_what_runs_once_later_is_a_period_of_one(calls: Calls) -> None:
    for mode in ({}, {"RepeatMode": "Once"}, {"RepeatMode": "Period"}, {"Timed": "true"}):
        invoke_id = started(calls, "at(2090-01-01 00:00:00 UTC)", **mode)["InvokeId"]
        (shown,) = found(calls, InvokeId=invoke_id, RepeatMode="Period")
        assert (shown["RepeatMode"], shown["Timed"], found(calls, InvokeId=invoke_id, RepeatMode="Once")) == (
            *("Period", True),
            [],
        )


def test_what_runs_once_later_may_be_changed_until_then(calls: Calls) -> None:
    invoke_id = started(calls, "at(2090-01-01 00:00:00 UTC)", InstanceId__2=AWAY)["InvokeId"]
    change = {"InvokeId": invoke_id, "CommandContent": "echo 2", "InstanceId__1": OTHER}
    calls("ModifyInvocationAttribute", Frequency="at(2090-01-02 00:00:00 UTC)", **change)
    (shown,) = found(calls, InvokeId=invoke_id)
    assert shown["Frequency"] == "at(2090-01-02 00:00:00 UTC)"
    assert [each["InstanceId"] for each in shown["InvokeInstances"]["InvokeInstance"]] == [AWAY, OTHER]
    planned = schedules.get(calls.controller.database, invoke_id)
    assert planned is not None
    assert planned.instant == planned.next == datetime.fromisoformat("2090-01-02T00:00:00+00:00")
    assert calls.refused("ModifyInvocationAttribute", InvokeId=invoke_id, Frequency="rate(1h)")[1] == (
        "InvalidParameter.Frequency"
    )


@pytest.mark.parametrize("fields", [{"RepeatMode": "Once"}, {"Timed": "false"}])
def test_a_frequency_counts_whatever_else_is_said(calls: Calls, fields: dict[str, str]) -> None:
    made = calls("RunCommand", **SCRIPT, **BOTH, **fields, Frequency="rate(1d)")
    (shown,) = found(calls, InvokeId=made["InvokeId"])
    assert (shown["RepeatMode"], shown["Timed"], shown["Frequency"]) == ("Period", True, "rate(1d)")


def test_every_mode_of_the_original_is_a_filter(calls: Calls) -> None:
    started(calls)
    for word in ("NextRebootOnly", "EveryReboot", "DryRun"):
        assert found(calls, RepeatMode=word) == []
    assert calls.refused("DescribeInvocations", RepeatMode="period")[:2] == (404, "InvalidRepeatMode.NotFound")


def test_a_token_is_not_bound_to_how_items_are_shown(calls: Calls) -> None:
    for _ in range(2):
        started(calls)
    first = calls("DescribeInvocations", MaxResults="1", InstanceId=AWAY)
    more = {"MaxResults": "1", "InstanceId": AWAY, "NextToken": first["NextToken"]}
    (second,) = found(calls, ContentEncoding="PlainText", IncludeOutput="true", **more)
    assert second["InvokeId"] < first["Invocations"]["Invocation"][0]["InvokeId"]
    refused = calls.refused("DescribeInvocations", **{**more, "InstanceId": OTHER})
    assert refused[:2] == (400, "InvalidParameter.NextToken")
