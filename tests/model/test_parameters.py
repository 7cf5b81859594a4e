"""Custom parameters: recognition, rendering, and no value becomes more than its text."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from assist_cli.errors import InvalidParameter, QuotaExceeded
from assist_cli.model import parameters
from assist_cli.model.parameters import Definition, Value
from assist_cli.model.secret import Secret
from tests.support.programs import need

KEYS = st.from_regex(r"\A[A-Za-z0-9_-]{1,64}\Z")
SPACE = st.text(alphabet=" \t\r\n", max_size=3)
SLOTS = st.builds(
    lambda before, key, sh, after: b"{{" + (before + key + sh + after).encode() + b"}}",
    SPACE,
    KEYS,
    st.sampled_from(["", "|sh", " | sh", "|SH"]),
    SPACE,
)
SCRIPTS = st.lists(
    st.one_of(st.binary(max_size=20), SLOTS, st.sampled_from([b"{{", b"}}", b"{", b"|"])), max_size=8
).map(b"".join)
VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=60)


def pieces_or_nothing(script: bytes) -> parameters.Template | None:
    try:
        return parameters.parse(script)
    except (InvalidParameter, QuotaExceeded):
        return None


@given(SCRIPTS)
@example(b"{{{key}}}")
@example(b"\xff{{ key\n}}\xfe")
def test_render_keeps_everything_that_is_not_a_parameter(script: bytes) -> None:
    template = pieces_or_nothing(script)
    if template is None:
        return
    assert b"".join(p.source if isinstance(p, parameters.Placeholder) else p for p in template.pieces) == script
    kept = b"".join(p for p in template.pieces if isinstance(p, bytes))
    assert parameters.render(template, dict.fromkeys(template.keys, "")) == b"".join(
        (b"''" if p.quoted else b"") if isinstance(p, parameters.Placeholder) else p for p in template.pieces
    )
    if not any(slot.quoted for slot in template.placeholders):
        assert parameters.render(template, dict.fromkeys(template.keys, "")) == kept


@given(SCRIPTS, st.data())
def test_no_value_changes_another(script: bytes, data: st.DataObject) -> None:
    """Values that look like parameters, filters and built-ins stay plain text."""
    template = pieces_or_nothing(script)
    if template is None:
        return
    tricky = st.one_of(VALUES, st.sampled_from(["{{a}}", "{{ACS::InvokeId}}", "\\1", "\\g<0>", "{0}", "%s", "$&"]))
    values = {key: data.draw(tricky) for key in template.keys}
    expected = b""
    for piece in template.pieces:
        if isinstance(piece, bytes):
            expected += piece
        else:
            (value,) = [text for key, text in values.items() if key.lower() == piece.key.lower()]
            expected += parameters.shell_word(value).encode() if piece.quoted else value.encode()
    assert parameters.render(template, values) == expected


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize("shell", ["dash", "bash"])
@settings(deadline=None, max_examples=15)
@given(values=st.lists(VALUES, min_size=40, max_size=60))
@example(
    values=["", "'", "''", '"', "$(id)", "`id`", "a\nb", "-n", "{{x|sh}}", "\\", "!", "~", "*", "a;b", "\x1b[2J", "é"]
)
def test_a_quoted_value_is_one_shell_word(shell: str, values: list[str]) -> None:
    """Each value is rendered as {{key|sh}} and must reach the shell itself as one word, unchanged."""
    template = parameters.parse(b"printf '%s\\0' " + b" ".join(b"{{k%d|sh}}" % n for n in range(len(values))) + b"\n")
    script = parameters.render(template, {f"k{number}": value for number, value in enumerate(values)})
    run = subprocess.run([need(shell)], input=script, capture_output=True, check=True)
    assert run.stdout.decode().split("\0")[:-1] == values
    assert run.stderr == b""


@pytest.mark.parametrize(
    "text", ["{{}}", "{{ }}", "{{.Names}}", "{{a b}}", "{{a.b}}", "{ {a} }", "{{a}", "{{acs:x}}", "{{é}}", "{{a}b}}"]
)
def test_other_braces_are_text(text: str) -> None:
    template = parameters.parse(text.encode())
    assert template.placeholders == ()
    assert parameters.render(template, {}) == text.encode()


def test_keys_are_compared_without_case() -> None:
    template = parameters.parse(b"{{Key}} {{KEY}} {{ key |sh}}")
    assert template.keys == ("Key",)
    assert parameters.render(template, {"kEy": "a b"}) == b"a b a b 'a b'"


def test_builtins_are_rendered_and_are_not_keys() -> None:
    template = parameters.parse(b"{{ACS::InstanceId}} {{acs::invokeid|sh}}")
    assert template.keys == ()
    assert parameters.render(template, {"ACS::InstanceId": "i-1", "ACS::InvokeId": "t-1"}) == b"i-1 t-1"


def test_an_unknown_builtin_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="'ACS::Nothing'") as refused:
        parameters.parse(b"{{ACS::Nothing}}")
    assert refused.value.code == "InvalidSystemBuiltInParameter"


@pytest.mark.parametrize("name", ["html", "", "sh2"])
def test_an_unknown_filter_is_refused(name: str) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.parse(b"{{key | " + name.encode() + b"}}")
    assert refused.value.code == "InvalidParameterFilter"
    assert "{{key|sh}}" in str(refused.value.hint)
    assert "ASSIST_PARAM_KEY" in str(refused.value.hint)


def test_key_length() -> None:
    parameters.parse(b"{{" + b"k" * 64 + b"}}")
    with pytest.raises(QuotaExceeded) as refused:
        parameters.parse(b"{{" + b"k" * 65 + b"}}")
    assert refused.value.code == "ParameterNameExceedLimit"


def test_number_of_keys() -> None:
    twenty = b"".join(b"{{k%d}}{{K%d|sh}}" % (n, n) for n in range(20))
    assert len(parameters.signature(parameters.parse(twenty), ())) == 20
    with pytest.raises(QuotaExceeded) as refused:
        parameters.signature(parameters.parse(twenty), (Definition("one-more"),))
    assert refused.value.code == "ParameterCountExceedLimit"


def test_rendered_size() -> None:
    template = parameters.parse(b"{{k}}" * 256)
    assert len(parameters.render(template, {"k": "x" * 1024})) == 256 * 1024
    with pytest.raises(QuotaExceeded) as refused:
        parameters.render(template, {"k": "x" * 1025})
    assert refused.value.code == "RenderedScriptExceedLimit"


def test_white_space_costs_no_time() -> None:
    """A pattern that backtracks over it would take minutes."""
    parameters.parse(b"{{a|" + b" " * 200_000 + b"{{" * 1000 + b" " * 200_000)


def test_environment_names() -> None:
    assert parameters.environment_name("db-Host_1") == "ASSIST_PARAM_DB_HOST_1"


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        (Definition("a b"), "letters, digits"),
        (Definition(""), "letters, digits"),
        (Definition("acs::x"), "letters, digits"),
        (Definition("é"), "letters, digits"),
        (Definition("k", pattern="("), "not a regular expression"),
        (Definition("k", secret=True, default="x"), "no default"),
        (Definition("k", secret=True, choices=("x",)), "no choices"),
        (Definition("k", choices=("x", "x")), "given twice"),
    ],
)
def test_invalid_definitions(definition: Definition, reason: str) -> None:
    with pytest.raises(InvalidParameter, match=reason) as refused:
        parameters.check_definition(definition)
    assert refused.value.code == "InvalidParameterDefinition"


@pytest.mark.parametrize(
    "definition",
    [
        Definition("k", default="x", choices=("y",)),
        Definition("k", default="x", pattern="y+"),
        Definition("k", choices=("x",), pattern="y+"),
        Definition("k", default="a\0b"),
    ],
)
@pytest.mark.usefixtures("starts_processes")
def test_a_default_and_choices_must_match_their_own_rules(definition: Definition) -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.check_definition(definition)
    assert refused.value.code == "InvalidParameterValue"


@pytest.mark.parametrize("second", ["K", "k"])
def test_a_key_is_defined_once(second: str) -> None:
    with pytest.raises(InvalidParameter, match="defined twice"):
        parameters.signature(parameters.parse(b""), (Definition("k"), Definition(second)))


def test_keys_do_not_share_an_environment_variable() -> None:
    with pytest.raises(InvalidParameter, match="ASSIST_PARAM_A_B"):
        parameters.signature(parameters.parse(b"{{a-b}} {{a_b}}"), ())


def test_the_signature_has_defined_and_used_keys() -> None:
    service = Definition("Service", description="which one")
    assert parameters.signature(parameters.parse(b"{{extra}} {{service}}"), (service,)) == (
        service,
        Definition("extra"),
    )


DEFINITIONS = (
    Definition("service", pattern="[a-z]+", description="the name of a unit"),
    Definition("mode", default="soft", choices=("soft", "hard")),
    Definition("token", secret=True),
)


@pytest.mark.usefixtures("starts_processes")
def test_keys_keep_their_spelling_and_defaults_are_filled_in() -> None:
    given: dict[str, Value] = {"SERVICE": "nginx", "Token": Secret("s")}
    assert parameters.resolve(DEFINITIONS, given) == {"service": "nginx", "mode": "soft", "token": Secret("s")}


@pytest.mark.parametrize(
    ("given", "code", "words"),
    [
        ({}, "MissingParameter", "parameters 'service', 'token'"),
        ({"service": "a", "token": Secret("s"), "x": "1"}, "ParameterNotMatched", "'x'"),
        ({"service": "a", "Service": "b", "token": Secret("s")}, "ParameterDuplicated", "'Service'"),
        ({"service": "NGINX", "token": Secret("s")}, "InvalidParameterValue", "'NGINX'"),
        ({"service": "a\n", "token": Secret("s")}, "InvalidParameterValue", r"a\\n"),
        ({"service": "a", "mode": "firm", "token": Secret("s")}, "InvalidParameterValue", "not one of 'soft', 'hard'"),
        ({"service": "a", "token": "s"}, "SecretByValue", "'token'"),
        ({"service": "a", "token": Secret("a\0b")}, "InvalidParameterValue", "NUL"),
        ({"service": "a", "token": Secret("a\udcff")}, "InvalidParameterValue", "UTF-8"),
    ],
)
@pytest.mark.usefixtures("starts_processes")
def test_values_that_are_refused(given: dict[str, Value], code: str, words: str) -> None:
    with pytest.raises(InvalidParameter, match=words) as refused:
        parameters.resolve(DEFINITIONS, given)
    assert refused.value.code == code
    assert refused.value.exit_status == 65


@pytest.mark.usefixtures("starts_processes")
def test_a_refused_secret_is_not_shown() -> None:
    definition = Definition("token", secret=True, pattern="[0-9]+")
    with pytest.raises(InvalidParameter) as refused:
        parameters.resolve((definition,), {"token": Secret("canary")})
    assert "canary" not in str(refused.value)
    assert "canary" not in str(refused.value.hint)


@pytest.mark.usefixtures("starts_processes")
def test_a_long_value_is_shortened_in_the_message() -> None:
    with pytest.raises(InvalidParameter) as refused:
        parameters.resolve((Definition("k", pattern="a"),), {"k": "x" * 10_000})
    assert len(str(refused.value)) < 200


HOSTILE = "(a+)+$"


@pytest.mark.usefixtures("starts_processes")
@pytest.mark.parametrize(
    "definition",
    [
        Definition("k", pattern=HOSTILE, default="a" * 60 + "!"),
        pytest.param(Definition("k", pattern=HOSTILE, choices=("a" * 60 + "!",)), marks=pytest.mark.long),
    ],
)
def test_a_pattern_that_takes_forever_is_refused_with_its_default_and_choices(definition: Definition) -> None:
    with pytest.raises(InvalidParameter, match="takes too long"):
        parameters.check_definition(definition)


@pytest.mark.usefixtures("starts_processes")
def test_a_value_that_takes_forever_to_match_is_refused() -> None:
    with pytest.raises(InvalidParameter, match="takes too long") as refused:
        parameters.resolve((Definition("k", pattern=HOSTILE),), {"k": "a" * 60 + "!"})
    assert refused.value.code == "InvalidParameterValue"


def test_parameters_that_are_disabled() -> None:
    parameters.refuse_disabled({})
    with pytest.raises(InvalidParameter) as refused:
        parameters.refuse_disabled({"k": "v"})
    assert refused.value.code == "ParameterDisabled"


def test_bare_keys() -> None:
    template = parameters.parse(b"{{a}} {{b|sh}} {{c|sh}} {{C}} {{ACS::InstanceId}} {{ACS::InstanceName}}")
    assert parameters.bare_keys(template) == ("a", "C", "ACS::InstanceName")


@pytest.mark.parametrize(
    ("script", "keys"),
    [
        (b"echo '{{a|sh}}'", ("a",)),
        (b'echo "x {{a|sh}}"', ("a",)),
        (b"echo 'x' {{a|sh}}", ()),
        (b"echo \\' {{a|sh}}", ()),
        (b"it's\necho {{a|sh}}", ()),
        (b"echo \"it's\" {{a|sh}} '{{b|sh}}'", ("b",)),
        (b"echo '{{a}}'", ()),
    ],
)
def test_quoted_keys_inside_quotes(script: bytes, keys: tuple[str, ...]) -> None:
    assert parameters.keys_inside_quotes(parameters.parse(script)) == keys
