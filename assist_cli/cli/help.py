"""``assist help``: what does not belong to one command."""

from __future__ import annotations

from typing import Annotated

import typer

from assist_cli.cli import options
from assist_cli.errors import NotFound
from assist_cli.model.names import meant

app = options.application()

TOPICS = {
    "exit-status": """\
How every command ends. run, invoke, rerun, send and invocation wait share these; with the
script's own status when exactly one instance ran and the script came to its end; else:

    0  done, and every script finished with 0
    1  something that was run or sent did not succeed
    2  the command line makes no sense
   65  refused: a value, a quota or a state; nothing was run or written
   66  no such command, instance or invocation
   69  of all the agents that were asked, none could be reached
   70  a bug in Assist; a report was written
   74  the database or a file of this machine failed, or stdout cannot be written
   75  gave up waiting; what was sent goes on
   77  not permitted
  124  the one instance ran into its timeout
  130  interrupted, or stdout was closed; what was sent goes on
""",
    "targets": """\
Which instances run, invoke, send, stop and instance are for. -i may be repeated, and each
may be a comma list. Quote what a shell would take: * ? [ ] & !

  web1           a name
  i-01k3         an id, or the beginning of one
  local          the agent of this machine: the default
  'web*' 'db?'   a glob
  'web[01-20]'   a range, also [1,3,5-9] and [0-10/2]
  @canary        those with this tag, whatever its value
  @role=web      those whose tag has this value; * and ? may be in it
  '@role=web&@os=debian'   those that are both; & binds tighter than the comma
  '!web07'       takes away from the whole list, wherever it stands

  --all          every instance but local; with -i only to take away: --all -i '!web07'
  --pick 3       three of them at random, of --all without -i; --seed 7 picks the same ones
  --preview      print the names, and do nothing

What names nothing is an error, also behind & and !: nothing runs then.
-i '*' has local too. stop --all and rerun --all are all instances of that invocation.

Addresses: unix:PATH  tls:HOST[:PORT]  ssh:[USER@]HOST[:PORT][?sudo]
""",
    "frequency": """\
When something runs again, or later. Look first: assist schedule preview '...'

  rate(30s)  rate(5m)  rate(2h)  rate(1d)  again and again, from its creation on
  at(2026-12-01 02:00:00)                   once
  SECOND MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK [YEAR]       cron
  MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK                     at second 0

Fields of cron: *  1,15  8-18  */10  5/20  MON-FRI  NOV-FEB; years up to 2099
  day of month  L  the last one; L-3; 15W, LW  the nearest workday; ? is any day
  day of week   0 and 7  Sunday; 5L or L5  the last Friday; 5#2  the second one
  Both days given: either matches.
  @hourly  @daily  @weekly  @monthly  @yearly

A time zone stands behind cron, or in at: Asia/Shanghai, UTC, GMT+8:00; without
one it is this machine's. '0 30 2 * * * UTC'    'at(2026-12-01 02:00 UTC)'

Any two firings are at least 10 s apart: '0,55 * * * * *' is refused, as second
55 and the 0 after it are 5 s apart.

Where clocks are changed: times that are left out fire once, when the gap ends;
with all 24 hours they do not. A time that is shown twice fires the first time;
both times with all 24 hours, or with two or more times in the repeated span.
A rate is elapsed time.
""",
    "parameters": """\
Places in a script for values that are given when it runs. A saved command has them when it was
made with --enable-parameters or --param-def; assist run has them when a parameter is given.

In the script (keys have letters, digits, - and _, and no case; 20 at most)
  {{key|sh}}            the value as one quoted word of a shell: the safe way
  "$ASSIST_PARAM_KEY"   the value as an environment variable: safe in every language
  {{key}}               the value as it is: in a script, text is code
  {{ACS::InstanceId}}   built in; also InstanceName, InvokeId, CommandId, RegionId

Values
  -p service=nginx      --params '{"service": "nginx"}'      --params @values.json
  --secret token=env:TOKEN      --secret token=@token.txt
  What is missing and has no default is asked for on a terminal, and refused elsewhere.
  A secret is kept nowhere and stands as ******** in whatever the script prints.

Definitions, one for each --param-def; words as in a shell, quotes around what has spaces
  'KEY [required] [secret] [default=V] [choices=a,b] [pattern=RE] [description=TEXT]'
  --param-def "service pattern=[a-z-]+ 'description=name of the unit'"
""",
}


@app.command("help", epilog=options.examples("assist help", "assist help exit-status"))
def help_(
    context: typer.Context,
    topic: Annotated[str | None, typer.Argument(metavar="[TOPIC]", help="What to read about.")] = None,
) -> None:
    """Read about a topic, such as exit-status."""
    printer = options.printer(context)
    if topic is None:
        printer.line("Topics, each read with assist help TOPIC:\n\n" + "\n".join(f"  {name}" for name in TOPICS))
        printer.line("\nOf a command: assist COMMAND --help")
        return
    if topic not in TOPICS:
        raise NotFound(
            f"cannot find the topic '{topic}'", hint=f"{meant(topic, TOPICS)}assist help lists what there is"
        )
    printer.line(TOPICS[topic].rstrip())
