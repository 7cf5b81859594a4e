"""Every limit at its boundary: the last allowed value passes, the next is refused with a reason."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assist_cli.errors import QuotaExceeded
from assist_cli.model import quotas
from assist_cli.model.secret import Secret

BOUNDARIES: list[tuple[str, str, Callable[[int], None], int, str]] = [
    ("script", "ScriptExceedLimit", lambda n: quotas.check_script(b"x" * n), 12_288, "16,388 of at most 16,384"),
    ("rendered", "RenderedScriptExceedLimit", lambda n: quotas.check_rendered(b"x" * n), 262_144, "262,145"),
    ("file", "FileExceedLimit", lambda n: quotas.check_file(n), 24_576, "32,772 of at most 32,768"),
    ("parameters", "ParameterCountExceedLimit", quotas.check_parameter_count, 20, "21 of at most 20 keys"),
    ("timeout", "TimeoutExceedLimit", quotas.check_timeout, 86_400, "86,401 of at most 86,400 seconds"),
    ("commands", "CommandCountExceedQuota", lambda n: quotas.check_command_count(n, 500), 500, "500 of 500"),
    *(
        (quota.name, quota.code, lambda n, quota=quota: quotas.check_length(quota, "x" * n), limit, f"{limit + 1}")
        for quota, limit in [
            (quotas.PARAMETER_NAME, 64),
            (quotas.NAME, 128),
            (quotas.DESCRIPTION, 512),
            (quotas.WORKING_DIR, 200),
            (quotas.USERNAME, 255),
            (quotas.FILE_NAME, 255),
            (quotas.TARGET_DIR, 255),
        ]
    ),
]


@pytest.mark.parametrize(
    ("code", "check", "limit", "used"), [row[1:] for row in BOUNDARIES], ids=[row[0] for row in BOUNDARIES]
)
def test_the_limit_is_allowed_and_one_more_is_refused(
    code: str, check: Callable[[int], None], limit: int, used: str
) -> None:
    check(limit)
    with pytest.raises(QuotaExceeded) as refused:
        check(limit + 1)
    assert refused.value.code == code
    assert refused.value.exit_status == 65
    assert str(refused.value).startswith("cannot ")
    assert not str(refused.value).endswith(".")
    assert used in str(refused.value)
    assert refused.value.hint


@pytest.mark.parametrize("seconds", [0, -1])
def test_a_timeout_has_a_minimum(seconds: int) -> None:
    quotas.check_timeout(1)
    with pytest.raises(QuotaExceeded, match="the minimum is 1 s"):
        quotas.check_timeout(seconds)


def test_an_interval_has_a_minimum() -> None:
    quotas.check_interval(10)
    with pytest.raises(QuotaExceeded, match=r"every 9\.5 s: the minimum is 10 s"):
        quotas.check_interval(9.5)


def test_parameters_count_with_the_script() -> None:
    """{"k":"…"} of 8 + n bytes beside a script of 3 bytes, which counts 4."""
    at_limit = (16_384 - 4) // 4 * 3 - 8
    quotas.check_script(b"abc", {"k": "v" * at_limit})
    with pytest.raises(QuotaExceeded, match="16,388 of at most 16,384"):
        quotas.check_script(b"abc", {"k": "v" * (at_limit + 1)})


def test_a_secret_counts_with_its_value_and_is_not_shown() -> None:
    value = "canary" * 4000
    with pytest.raises(QuotaExceeded) as refused:
        quotas.check_script(b"abc", {"k": Secret(value)})
    assert "canary" not in str(refused.value)
    assert quotas.script_size(b"abc", {"k": Secret("x")}) == quotas.script_size(b"abc", {"k": "x"})


@given(st.binary(max_size=300), st.dictionaries(st.text(max_size=5), st.text(max_size=20), max_size=4))
def test_the_size_is_that_of_the_encoded_text(content: bytes, parameters: dict[str, str]) -> None:
    size = len(base64.b64encode(content))
    if parameters:
        compact = json.dumps(parameters, ensure_ascii=False, separators=(",", ":"))
        size += len(base64.b64encode(compact.encode("utf-8", "surrogatepass")))
    assert quotas.script_size(content, parameters) == size


def test_quotas_have_names_and_codes_of_their_own() -> None:
    assert len({quota.name for quota in quotas.ALL}) == len(quotas.ALL)
    assert len({quota.code for quota in quotas.ALL}) == len(quotas.ALL)
