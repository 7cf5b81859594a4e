#!/bin/sh
# Rotate log files: copy each to FILE.1.gz, empty it, and keep a number of the older copies.
#
# The file is emptied in place, so its program writes on without a restart.
set -eu

files={{files|sh}}
keep={{keep|sh}}
bytes={{bytes|sh}}
status=0

rotate() {
    file=$1
    if [ -L "$file" ] || [ ! -f "$file" ]; then
        printf "error: cannot rotate '%s': it is not a file\n" "$file" >&2
        return 1
    fi
    # Another user could put a link in place of the file.
    if [ -n "$(find "${file%/*}/" -prune -perm -002)" ]; then
        printf "error: cannot rotate '%s': everybody can write to its folder\n" "$file" >&2
        return 1
    fi
    size=$(($(wc -c <"$file")))
    if [ "$size" -eq 0 ] || [ "$size" -lt "$bytes" ]; then
        printf '%s: %d bytes, not rotated\n' "$file" "$size"
        return 0
    fi
    new=$(mktemp -- "$file.XXXXXX") || return 1
    # The copy has the mode of the file, and is complete before anything is removed.
    if ! chmod --reference="$file" -- "$new" || ! chown --reference="$file" -- "$new" || ! gzip -c <"$file" >"$new"; then
        rm -f -- "$new"
        printf "error: cannot rotate '%s': it cannot be copied\n" "$file" >&2
        return 1
    fi
    number=$keep
    rm -f -- "$file.$number.gz"
    while [ "$number" -gt 1 ]; do
        before=$((number - 1))
        if [ -e "$file.$before.gz" ]; then
            mv -f -- "$file.$before.gz" "$file.$number.gz"
        fi
        number=$before
    done
    mv -f -- "$new" "$file.1.gz"
    : >"$file"
    printf '%s: %d bytes, rotated to %s.1.gz\n' "$file" "$size" "$file"
}

# Only * and ? of the value are expanded: without separators of words, it stays one word.
IFS=
found=0
# shellcheck disable=SC2086
for each in $files; do
    case $each in
    *.[0-9].gz | *.[0-9][0-9].gz | *.[0-9][0-9][0-9].gz) continue ;; # an earlier copy
    esac
    if [ -e "$each" ] || [ -L "$each" ]; then
        found=1
        rotate "$each" || status=1
    fi
done
if [ "$found" = 0 ]; then
    printf "error: cannot rotate '%s': there is no such file\n" "$files" >&2
    status=1
fi
exit "$status"
