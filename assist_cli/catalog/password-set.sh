#!/bin/sh
# Set the password of a user. chpasswd reads it from its standard input, so it is in no list of processes.
set -eu

user={{user|sh}}
password=$ASSIST_PARAM_PASSWORD
unset ASSIST_PARAM_PASSWORD

fail() {
    printf "error: cannot set the password of '%s': %s\n" "$user" "$1" >&2
    exit 1
}

# A line end would begin the line of another user.
case $password in
*'
'*) fail "it has a line end" ;;
'') fail "it is empty" ;;
esac
id -u -- "$user" >/dev/null 2>&1 || fail "there is no such user"
printf '%s:%s\n' "$user" "$password" | chpasswd || fail "chpasswd refused it"
printf 'The password of %s is set.\n' "$user"
