#!/bin/sh
# Start, stop or restart a service, or show its status: with systemd, OpenRC or the scripts in /etc/init.d.
set -eu

action={{action|sh}}
name={{service|sh}}

if [ -d /run/systemd/system ]; then
    known=$(systemctl show --property=LoadState -- "$name")
    if [ "$known" = LoadState=not-found ]; then
        printf "error: cannot %s '%s': there is no such service\n" "$action" "$name" >&2
        exit 4
    fi
    if [ "$action" = status ]; then
        exec systemctl status --no-pager --full -- "$name"
    fi
    systemctl "$action" -- "$name"
    state=$(systemctl is-active -- "$name") || :
    printf '%s: %s\n' "$name" "$state"
    [ "$state" != failed ] || exit 1
    exit 0
fi

if [ ! -x "/etc/init.d/$name" ]; then
    printf "error: cannot %s '%s': there is no such service\n" "$action" "$name" >&2
    exit 4
fi
if command -v rc-service >/dev/null; then
    exec rc-service "$name" "$action"
fi
if command -v service >/dev/null; then
    exec service "$name" "$action"
fi
exec "/etc/init.d/$name" "$action"
