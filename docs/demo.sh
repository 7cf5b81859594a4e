#!/bin/sh
# What `make demo` shows: a first run on this machine, and what is kept of it.
# The argument is the folder that holds the assist program. State goes where assist always keeps it.
set -eu
PATH="$(cd "$1" && pwd):$PATH"

show() {
    printf '\n$ assist'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=-]*) printf " '%s'" "$word" ;;
            *) printf ' %s' "$word" ;;
        esac
    done
    printf '\n'
    assist "$@"
}

show run -- uname -a
show run -c 'echo "Hello from $(hostname), process $$"'
show invocation list
show invocation show -

cat <<END

That was a real agent, started just now as a process of yours; it ends by itself after 15 idle minutes.
The history is in $(python -c 'from assist_cli import paths; print(paths.home().root)')

Type next:
  . .venv/bin/activate
  assist run -c 'date; echo to-stderr >&2; exit 3'; echo \$?
  assist run --timeout 2 -- sleep 60
  assist --help
END
