#!/bin/sh
# Show the use of disks and memory. The exit code is 1 if one is above its limit.
set -eu

disk={{disk|sh}}
memory={{memory|sh}}
over=0

# Print the file systems of disks, and mark those above the limit. $1 is the option for inodes, or empty.
disks() {
    # shellcheck disable=SC2086
    df -P $1 2>/dev/null | awk -v limit="$disk" -v what="$2" '
        NR > 1 && ($1 ~ /^\// || $6 == "/") && $1 !~ /^\/dev\/loop/ && $5 ~ /^[0-9]+%$/ {
            used = $5 + 0
            where = $6
            for (i = 7; i <= NF; i++) where = where " " $i
            mark = ""
            if (used > limit) { mark = "  OVER " limit "%"; over = 1 }
            if (!seen[$1 SUBSEP used]++) printf "%-6s %3d%%  %s%s\n", what, used, where, mark
        }
        END { exit over }'
}

disks "" disk || over=1
disks -i inodes || over=1

awk -v limit="$memory" '
    $1 == "MemTotal:" { total = $2 }
    $1 == "MemFree:" { free = $2 }
    $1 == "Buffers:" || $1 == "Cached:" { cache += $2 }
    $1 == "MemAvailable:" { available = $2; known = 1 }
    END {
        if (!known) available = free + cache
        used = total ? int((total - available) * 100 / total) : 0
        mark = used > limit ? "  OVER " limit "%" : ""
        printf "%-6s %3d%%  %d of %d MiB available%s\n", "memory", used, available / 1024, total / 1024, mark
        exit used > limit
    }' /proc/meminfo || over=1

exit "$over"
