#!/bin/sh
# Switch back to the release before the last deployment of archive-deploy, or to a given one.
set -eu

dir={{dir|sh}}
release={{release|sh}}

fail() {
    printf "error: cannot roll back in '%s': %s\n" "$dir" "$1" >&2
    exit 1
}

current=$(readlink -- "$dir/current" 2>/dev/null) || fail "nothing is deployed there"
if [ -n "$release" ]; then
    target=releases/$release
else
    target=$(readlink -- "$dir/previous" 2>/dev/null) || fail "there is no earlier release"
fi
[ -d "$dir/$target/" ] || fail "there is no release '${target#releases/}'"
if [ "$target" != "$current" ]; then
    ln -sfn -- "$target" "$dir/current.$$"
    mv -fT -- "$dir/current.$$" "$dir/current"
fi
# The release that failed is not the one to return to, so a second run does not switch forth again.
rm -f -- "$dir/previous"
printf 'Release %s is in use in %s (before: %s).\n' "${target#releases/}" "$dir" "${current#releases/}"
