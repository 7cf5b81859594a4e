#!/bin/sh
# Run first scripts on this machine and show their records, for `make demo`.
# The argument is the folder of the assist program. State is in the usual home of assist.
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

That was a real agent, started just now as a process of yours; it exits after 15 idle minutes.
The history is in $(python -c 'from assist_cli import paths; print(paths.home().root)')

Try next:
  . .venv/bin/activate
  assist run -c 'date; echo to-stderr >&2; exit 3'; echo \$?
  assist run --timeout 2 -- sleep 60
  make setup && assist serve --web 127.0.0.1:8321     # pages for a browser; then: assist console open
  assist --help
END
