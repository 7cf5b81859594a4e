"""Export and import of the inventory: what is written comes back, and an invalid value leaves nothing behind."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from assist_cli.errors import Conflict
from assist_cli.operations.controller import open_controller
from assist_cli.operations.fleet import exchange
from assist_cli.paths import Home
from tests.support.application import Application

ID = "i-01kbdk5g8w3m9v6yx2r4hq7c{}"
ENTRIES = [
    {
        "InstanceId": ID.format("ne"),
        "InstanceName": 'db "1" é日本',
        "Address": "ssh:ops@[2001:db8::1]:2222?sudo&identity=~/a%20b",
        "Tags": {"z": 'a "quoted" ; value', "role": "", "größe": "=x"},
        "OSType": "linux",
        "CreationTime": "2026-11-22T08:00:00Z",
    },
    {
        "InstanceId": ID.format("nf"),
        "InstanceName": "web1",
        "Address": "tls:10.0.0.5:7433",
        "Tags": {},
        "OSType": None,
        "CreationTime": "2020-02-29T23:59:59Z",
    },
    {
        "InstanceId": ID.format("ng"),
        "InstanceName": "web2",
        "Address": f"nats:{ID.format('ng')}",
        "Tags": {"a": "1"},
        "OSType": "windows",
        "CreationTime": "2026-11-22T08:00:00Z",
    },
]
JSON = json.dumps(ENTRIES)


def listed(assist: Application, form: str = "json") -> bytes:
    done = assist("instance", "export", "-o", form)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("form", ["json", "jsonl", "csv"])
def test_what_is_exported_is_imported_exactly(assist: Application, tmp_path: Path, form: str) -> None:
    assert assist("instance", "import", "-", input=JSON.encode()).returncode == 0
    assert json.loads(listed(assist)) == ENTRIES
    first = listed(assist, form)
    other = {"ASSIST_HOME": str(tmp_path / "other")}
    file = tmp_path / "inventory"
    file.write_bytes(first)
    done = assist("instance", "import", str(file), env=other)
    assert done.returncode == 0, done.stderr
    assert assist("instance", "export", "-o", form, env=other).stdout == first
    again = assist("instance", "import", str(file), env=other)
    assert (again.returncode, again.stdout) == (0, b"")
    assert b"0 instances imported, 3 were there already" in again.stderr


def test_tags_in_csv_may_be_words(assist: Application) -> None:
    text = f"InstanceId,InstanceName,Address,Tags\r\n{ID.format('ne')},web1,tls:h:1,role=web 'owner=team a'\r\n\r\n"
    assert assist("instance", "import", "-", input=text.encode()).returncode == 0
    (found,) = json.loads(listed(assist))
    assert found["Tags"] == {"role": "web", "owner": "team a"}


HEADER = "InstanceId,InstanceName,Address,Tags,OSType,CreationTime\n"
GOOD = f"{ID.format('ne')},web1,tls:h:1,{{}},linux,\n"


SECOND = ID.format("nf")
PRETTY = json.dumps(ENTRIES, indent=1)


def test_a_bad_line_is_named_and_nothing_is_imported(assist: Application, tmp_path: Path) -> None:
    text = f"{HEADER}{GOOD}{SECOND},a/b,tls:h:1,,,\n"
    refused(assist, tmp_path, text, "line 3 of {file}: cannot use the name 'a/b'")


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("i-x,web2,tls:h:1,,,", "line 3 of {file}: cannot use 'i-x' as the id"),
        (f"{SECOND},a/b,tls:h:1,,,", "line 3 of {file}: cannot use the name 'a/b'"),
        (f"{SECOND},web1,tls:h:1,,,", "line 3 of {file}: cannot use 'web1': it also stands in line 2 of {file}"),
        (f"{SECOND},b,ftp:h,,,", "line 3 of {file}: cannot use the address 'ftp:h'"),
        (f"{SECOND},b,local,,,", "line 3 of {file}: cannot import the agent of this machine"),
        (f"{SECOND},b,tls:h:1,role,,", "line 3 of {file}: cannot use 'role' as tags"),
        (f"{SECOND},b,tls:h:1,,A B,", "line 3 of {file}: cannot use 'A B' as an OSType"),
        (f"{SECOND},b,tls:h:1,,,soon", "line 3 of {file}: cannot use 'soon' as a CreationTime"),
        ("a,b", "line 3 of {file}: it has 2 values, and the header has 6"),
        (",b,tls:h:1,,,", "line 3 of {file}: it has no InstanceId"),
        ('"a\nb",c', "line 3 of {file}: it has 2 values"),
        ('"a"x,', "line 3 of {file}: it is not CSV"),
    ],
)
def test_a_bad_line_of_csv_is_named_and_nothing_is_imported(
    assist: Application, tmp_path: Path, text: str, why: str
) -> None:
    refused(assist, tmp_path, HEADER + GOOD + text + "\n", why)


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "cannot import {file}: it has no instances"),
        (HEADER, "cannot import {file}: it has no instances"),
        ("[]", "cannot import {file}: it has no instances"),
        (
            f"InstanceId,InstanceName,Address,Owner\n{SECOND},a,tls:h:1,x\n",
            "line 1 of {file}: it has the unknown value 'Owner'",
        ),
        ("InstanceId;InstanceName\n", "line 1 of {file}: it has the unknown value 'InstanceId;InstanceName'"),
        (PRETTY.replace('"tls:10.0.0.5:7433"', "5"), "line 14 of {file}: cannot use the Address 5: it is not text"),
        (PRETTY.replace('"a": "1"', '"a": 1'), "line 22 of {file}: cannot use {{'a': 1}} as tags"),
        ('[{"InstanceId": \n x}]', "line 2 of {file}: it is not JSON"),
        ("[\n1]", "line 2 of {file}: '1' is not an object"),
        ("[{}", "line 1 of {file}: the array has no end"),
    ],
)
def test_a_bad_value_is_named_and_nothing_is_imported(assist: Application, tmp_path: Path, text: str, why: str) -> None:
    refused(assist, tmp_path, text, why)


@pytest.mark.long
@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("InstanceId;InstanceName\n", "separate the columns by commas"),
        ("InstanceName,Address\na,tls:h:1\n", "for machines that were never registered: assist instance add -f FILE"),
    ],
)
def test_the_hint_for_a_table_of_another_kind(assist: Application, text: str, hint: str) -> None:
    done = assist("instance", "import", "-", input=text.encode())
    assert f"hint: {hint}".encode() in done.stderr


def refused(assist: Application, folder: Path, text: str, why: str) -> None:
    file = folder / "inventory"
    file.write_text(text, "utf-8")
    done = assist("instance", "import", str(file))
    assert (done.returncode, done.stdout) == (65, b"")
    assert why.format(file=f"'{file}'").encode() in done.stderr
    assert listed(assist) == b"[]\n"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"Address": "tls:10.0.0.6:7433"}, "its address here: tls:10.0.0.5:7433, there: tls:10.0.0.6:7433"),
        ({"Tags": {"role": "db"}}, "its tags here: {}, there: {'role': 'db'}"),
        ({"InstanceName": "web9"}, "is registered as 'web1'"),
        ({"InstanceId": ID.format("nz")}, f"the instance {ID.format('nf')} at 'tls:10.0.0.5:7433' has it"),
    ],
)
def test_what_differs_from_a_registered_instance_is_refused_and_nothing_is_imported(
    home: Path, change: dict[str, object], why: str
) -> None:
    with open_controller(Home(home)) as controller:
        exchange.import_data(controller, json.dumps(ENTRIES[1:2]).encode(), "-")
        data = json.dumps([ENTRIES[0], {**ENTRIES[1], **change}], indent=1).encode()
        with pytest.raises(Conflict) as caught:
            exchange.import_data(controller, data, "-")
        assert caught.value.message.startswith("cannot use line 14 of stdin: ")
        assert why in caught.value.message
        assert [each.name for each in exchange.exported(controller)] == ["web1"]


def test_csv_has_the_columns_of_json(assist: Application) -> None:
    assert assist("instance", "import", "-", input=JSON.encode()).returncode == 0
    rows = list(csv.DictReader(io.StringIO(listed(assist, "csv").decode())))
    assert [json.loads(row["Tags"]) for row in rows] == [each["Tags"] for each in ENTRIES]
    assert [row["OSType"] for row in rows] == ["linux", "", "windows"]
