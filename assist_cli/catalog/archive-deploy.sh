#!/bin/sh
# Fetch an archive, check its SHA-256, unpack it beside the earlier releases, and switch to it.
#
# DIR/releases/DIGEST has the files, DIR/current is a link to the release in use, DIR/previous to the one before it.
set -eu
umask 022

url={{url|sh}}
sha256=$(printf '%s' {{sha256|sh}} | tr A-F a-f)
dir={{dir|sh}}
keep={{keep|sh}}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit 1
}

# Make a symbolic link point to a target, in one step.
link() {
    ln -sfn -- "$1" "$2.$$"
    mv -fT -- "$2.$$" "$2"
}

release=$(printf '%.16s' "$sha256")
current=$(readlink -- "$dir/current" 2>/dev/null || :)
if [ "$current" = "releases/$release" ] && [ -d "$dir/current/" ]; then
    printf 'Release %s is deployed in %s already.\n' "$release" "$dir"
    exit 0
fi
if [ -e "$dir/current" ] && [ ! -L "$dir/current" ]; then
    fail "cannot deploy to '$dir': 'current' in it is not a link"
fi

mkdir -p -- "$dir/releases"
work=$(mktemp -d -- "$dir/releases/.new.XXXXXX")
trap 'rm -rf -- "$work"' EXIT
trap 'exit 1' HUP INT TERM

if [ ! -d "$dir/releases/$release" ]; then
    if command -v curl >/dev/null; then
        curl -fsSL --proto '=http,https' --proto-redir '=http,https' --retry 2 -o "$work/archive" -- "$url" ||
            fail "cannot fetch '$url'"
    elif command -v wget >/dev/null; then
        wget -q -O "$work/archive" -- "$url" || fail "cannot fetch '$url'"
    else
        fail "cannot fetch '$url': there is no curl or wget here"
    fi
    found=$(sha256sum <"$work/archive")
    found=${found%% *}
    [ "$found" = "$sha256" ] || fail "cannot use '$url': its SHA-256 is $found, not $sha256"
    mkdir -- "$work/files"
    if [ "$(head -c 2 -- "$work/archive")" = PK ]; then
        command -v unzip >/dev/null || fail "cannot unpack '$url': there is no unzip here"
        unzip -q "$work/archive" -d "$work/files" || fail "cannot unpack '$url'"
    else
        tar -x --no-same-owner -f "$work/archive" -C "$work/files" || fail "cannot unpack '$url'"
    fi
    chmod 755 -- "$work/files"
    mv -T -- "$work/files" "$dir/releases/$release" || fail "cannot deploy: another deployment is in progress"
fi

if [ -n "$current" ] && [ -d "$dir/$current" ]; then
    link "$current" "$dir/previous"
fi
link "releases/$release" "$dir/current"
touch -- "$dir/releases/$release"
printf 'Release %s is deployed in %s.\n' "$release" "$dir"

# Remove the oldest releases. Their names have only hexadecimal digits.
number=0
# shellcheck disable=SC2012
ls -t -- "$dir/releases" | grep -E '^[0-9a-f]{16}$' | while read -r name; do
    number=$((number + 1))
    if [ "$number" -gt "$keep" ] && [ "releases/$name" != "$current" ] && [ "$name" != "$release" ]; then
        rm -rf -- "$dir/releases/$name"
        printf 'Release %s is removed.\n' "$name"
    fi
done
