#!/bin/sh
# Check every second for processes of a name, until one runs or none runs any more.
set -eu

name={{process|sh}}
state={{state|sh}}
seconds={{seconds|sh}}

# The kernel keeps 15 bytes of the name of a program.
kept=$(printf '%.15s' "$name")

# Print the ids of its processes that have not ended, after a space each.
running() {
    for file in /proc/[0-9]*/stat; do
        # 42 (name of program) S 1 42 …; the name may have spaces and parentheses
        line=
        read -r line 2>/dev/null <"$file" || continue
        pid=${line%% *}
        rest=${line#*\(}
        program=${rest%)*}
        rest=${rest##*) }
        parent=${rest#* }
        case ${rest%% *} in
        Z | X) continue ;;
        esac
        # neither this shell nor a part of it
        if [ "$program" = "$kept" ] && [ "$pid" != $$ ] && [ "${parent%% *}" != $$ ]; then
            printf ' %s' "$pid"
        fi
    done 2>/dev/null
}

waited=0
while :; do
    pids=$(running)
    if [ "$state" = running ] && [ -n "$pids" ]; then
        printf '%s is running:%s\n' "$name" "$pids"
        exit 0
    fi
    if [ "$state" = ended ] && [ -z "$pids" ]; then
        printf '%s is not running.\n' "$name"
        exit 0
    fi
    [ "$waited" -lt "$seconds" ] || break
    sleep 1
    waited=$((waited + 1))
done
if [ "$state" = running ]; then
    printf "error: '%s' is not running after %s s\n" "$name" "$seconds" >&2
else
    printf "error: '%s' is still running after %s s:%s\n" "$name" "$seconds" "$pids" >&2
fi
exit 1
