#!/bin/sh
# Install, remove or update packages, with apt, dnf or yum.
set -euf

action={{action|sh}}
packages={{packages|sh}}

fail() {
    printf 'error: %s\n' "$1" >&2
    exit "${2:-1}"
}

# The pattern of the parameter allows only names of packages and spaces, so splitting is safe.
# shellcheck disable=SC2086
set -- $packages
case $action in
install | remove) [ $# -gt 0 ] || fail "cannot $action packages: none given" 2 ;;
update | security) ;;
*) fail "cannot do this with packages: '$action'" 2 ;;
esac

apt() {
    DEBIAN_FRONTEND=noninteractive apt-get -q -y \
        -o DPkg::Lock::Timeout=120 -o APT::Cmd::Pattern-Only=true \
        -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@"
}

# An index that cannot be fetched is an error: without it, "no updates" would not be true.
refresh() {
    apt update -o APT::Update::Error-Mode=any
}

# Print those of the given packages that dpkg has, a name a line.
installed() {
    for name; do
        case $(dpkg-query -W -f '${db:Status-Abbrev}' -- "$name" 2>/dev/null || :) in
        ?i*) printf '%s\n' "$name" ;;
        esac
    done
}

with_apt() {
    case $action in
    install)
        refresh
        apt install -- "$@"
        ;;
    remove)
        found=$(installed "$@")
        [ -n "$found" ] || {
            echo "Nothing to remove: not installed."
            return 0
        }
        # shellcheck disable=SC2086
        apt remove -- $found
        ;;
    update)
        refresh
        if [ $# -gt 0 ]; then
            apt install --only-upgrade -- "$@"
        else
            apt upgrade --with-new-pkgs
        fi
        ;;
    security)
        refresh
        # Lines such as: Inst openssl [3.0.15-1] (3.0.16-1 Debian-Security:12/stable-security [amd64])
        found=$(apt-get -s -o APT::Get::Show-User-Simulation-Note=false upgrade --with-new-pkgs |
            awk '/^Inst / && tolower($0) ~ /\(.*security/ { print $2 }')
        if [ $# -gt 0 ]; then
            found=$(for name; do printf '%s\n' "$found" | grep -Fx -- "$name" || :; done)
        fi
        [ -n "$found" ] || {
            echo "No security updates."
            return 0
        }
        # shellcheck disable=SC2086
        apt install --only-upgrade -- $found
        ;;
    esac
}

with_dnf() {
    dnf=$1
    shift
    case $action in
    install) "$dnf" -y install "$@" ;;
    remove) "$dnf" -y remove "$@" ;;
    update) "$dnf" -y upgrade "$@" ;;
    security) "$dnf" -y upgrade --security "$@" ;;
    esac
}

if command -v apt-get >/dev/null; then
    with_apt "$@"
elif command -v dnf >/dev/null; then
    with_dnf dnf "$@"
elif command -v yum >/dev/null; then
    with_dnf yum "$@"
else
    fail "cannot $action packages: there is no apt-get, dnf or yum here"
fi
