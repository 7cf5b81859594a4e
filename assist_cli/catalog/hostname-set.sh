#!/bin/sh
# Set the host name, now and for the next start.
set -eu

name={{name|sh}}
old=$(uname -n)

# Replace a file as a whole. It keeps its owner and mode, and a symbolic link stays one.
replace() {
    file=$(readlink -f -- "$1")
    new=$(mktemp -- "$file.XXXXXX")
    trap 'rm -f -- "$new"' EXIT
    cp -p -- "$file" "$new"
    cat >"$new"
    # In a container the file may be a mount, which cannot be replaced.
    mv -f -- "$new" "$file" 2>/dev/null || cat -- "$new" >"$file"
    rm -f -- "$new"
    trap - EXIT
}

[ -e /etc/hostname ] || : >/etc/hostname
if [ "$(cat /etc/hostname)" != "$name" ]; then
    printf '%s\n' "$name" | replace /etc/hostname
fi

# On Debian the old name has the address 127.0.1.1. Without the new one, sudo waits for DNS.
if [ -e /etc/hosts ] && [ "$old" != "$name" ]; then
    hosts=$(awk -v old="$old" -v new="$name" '
        $1 == "127.0.1.1" {
            short = old; sub(/\..*/, "", short)
            host = new; sub(/\..*/, "", host)
            line = $1
            done = 0
            for (i = 2; i <= NF; i++) {
                if ($i == old || $i == short || $i == new || $i == host) {
                    if (!done) line = line " " new (host == new ? "" : " " host)
                    done = 1
                } else line = line " " $i
            }
            if (!done) line = $0
            print line
            next
        }
        { print }' /etc/hosts)
    if [ "$hosts" != "$(cat /etc/hosts)" ]; then
        printf '%s\n' "$hosts" | replace /etc/hosts
    fi
fi

if [ "$old" != "$name" ]; then
    if [ -d /run/systemd/system ] && command -v hostnamectl >/dev/null; then
        hostnamectl set-hostname "$name"
    elif command -v hostname >/dev/null; then
        hostname "$name"
    else
        printf '%s\n' "$name" >/proc/sys/kernel/hostname
    fi
fi
printf 'The host name is %s (before: %s).\n' "$(uname -n)" "$old"
