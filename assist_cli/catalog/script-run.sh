#!/bin/sh
# Run a script that is on the machine already. Its exit code is the exit code.
set -euf

script={{script|sh}}
arguments={{arguments|sh}}
sha256=$(printf '%s' {{sha256|sh}} | tr A-F a-f)

fail() {
    printf "error: cannot run '%s': %s\n" "$script" "$1" >&2
    exit 127
}

[ -f "$script" ] || fail "there is no such file"
[ -r "$script" ] || fail "it cannot be read"
if [ -n "$sha256" ]; then
    found=$(sha256sum <"$script")
    found=${found%% *}
    [ "$found" = "$sha256" ] || fail "its SHA-256 is $found"
fi
# The pattern of the parameter allows no line ends and tabs: arguments are separated by spaces, and nothing is expanded.
# shellcheck disable=SC2086
set -- $arguments
if [ -x "$script" ]; then
    exec "$script" "$@"
fi
exec /bin/sh "$script" "$@"
