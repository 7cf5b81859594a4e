"""``assist help``: topics that concern several commands, and the help of a command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from assist_cli.cli import options
from assist_cli.cli.formatting import fit
from assist_cli.cli.typer_classes import HELP_COLUMNS
from assist_cli.errors import NotFound
from assist_cli.model.names import meant

app = options.application()

TOPICS = {
    "exit-status": """\
Exit statuses of all commands. run, invoke, rerun, send and invocation wait
share them. If exactly one instance ran the script and the script finished,
they exit with its exit code instead.

    0  success: every script finished with exit code 0
    1  failure: something that was run or sent did not succeed
    2  usage error: the command line is wrong
   65  refused: a value, a quota or a state; nothing was run or written
   66  not found: no such command, instance or invocation
   69  unreachable: none of the agents could be reached
   70  a bug in Assist; a report was written
   74  the database, a file of this machine or stdout failed
   75  stopped waiting; the run continues
   77  permission denied
  124  timeout of the script on the one instance
  130  interrupted, or stdout was closed; the run continues
""",
    "targets": """\
Targets of run, invoke, send, stop and instance. -i may be repeated, and may
have a comma list. Quote the characters of the shell: * ? [ ] & !

  web1                    a name
  i-01k3                  an id, or the beginning of one
  local                   the agent of this machine: the default
  'web*' 'db?'            a glob
  'web[01-20]'            a range, also [1,3,5-9], [0-10/2]; all must exist
  @canary                 instances with this tag, whatever its value
  @role=web               instances whose tag has this value, also with * and ?
  @os=debian              instances whose fact has this value, if they have no
                          tag of this name. Facts: os version arch kernel
                          python cpus memory hostname addresses
  group:web               a saved target: assist group add web '@role=web'
  file:hosts.txt          the targets in a file, a list in each line; # comment
  '@role=web&@os=debian'  instances with both; & binds tighter than the comma
  '!web07'                excluded from the whole list, wherever it stands

  --all                   every instance except local
  --all -i '!web07'       the same without web07
  --pick 3                three targets at random, from --all without -i
  --pick 3 --seed 7       the same three each time
  --preview               print the names, and run nothing

A target without a match is an error, also after & and !: nothing runs then.
-i '*' includes local. stop --all and rerun --all select all instances of that
invocation.

Addresses: unix:PATH  tls:HOST[:PORT]  nats:INSTANCE-ID
  ssh:[USER@]HOST[:PORT][?sudo]
""",
    "frequency": """\
Frequencies of periodic runs. To test one: assist schedule preview '...'

  rate(30s)  rate(5m)  rate(2h)  rate(1d)  at this interval from the creation
  at(2026-12-01 02:00:00)  one time
  SECOND MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK [YEAR]  cron
  MINUTE HOUR DAY-OF-MONTH MONTH DAY-OF-WEEK  cron, at second 0

Fields of cron: *  1,15  8-18  */10  5/20  MON-FRI  NOV-FEB; years up to 2099
  day of month  L is the last one; L-3; 15W, LW the nearest workday; ? any day
  day of week   0 and 7 are Sunday; 5L or L5 the last Friday; 5#2 the second one
  If both days are given, either matches.
  @hourly  @daily  @weekly  @monthly  @yearly

A time zone follows cron, or stands in at: Asia/Shanghai, UTC, GMT+8:00. The
default is the zone of this machine.
  '0 30 2 * * * UTC'
  'at(2026-12-01 02:00 UTC)'

Two firings are at least 10 s apart. '0,55 * * * * *' is refused: second 55 and
the next second 0 are 5 s apart.

Daylight saving: a time in the missing hour fires at the end of that hour, but
not if all 24 hours are given. A time in the doubled hour fires the first time.
It fires both times if all 24 hours are given, or two or more times in the
doubled hour. A rate counts elapsed time.
""",
    "parameters": """\
Parameters: keys in a script, whose values are given when it runs. A saved
command has parameters with --enable-parameters or --param-def. With assist run,
giving a parameter is enough.

In the script. Keys have letters, digits, - and _; case is ignored; 20 at most.
  {{key|sh}}            the value as one quoted word of a shell: safe
  "$ASSIST_PARAM_KEY"   the value as an environment variable: safe
  {{key}}               the value as it is; it can become code of the script
  {{ACS::InstanceId}}   built in, as InstanceName, InvokeId, CommandId, RegionId
The variable is $env:ASSIST_PARAM_KEY in PowerShell. In Bat it is
!ASSIST_PARAM_KEY!, after setlocal EnableDelayedExpansion.

Values
  -p service=nginx
  --params '{"service": "nginx"}'
  --params @values.json
  --secret token=env:TOKEN
  --secret token=@token.txt

On a terminal, missing values without a default are asked for. Elsewhere they
are an error. A secret is never stored, and is masked in output: ********

Definitions: --param-def 'KEY WORD...', split and quoted as in a shell
  required  secret  default=V  choices=a,b  pattern=RE  description=TEXT
  --param-def "service pattern=[a-z-]+ 'description=name of the unit'"
""",
}


# Words that people look for, and the topic that has them.
RELATED_ROWS = {
    "cron crontab time times timezone zone zones interval rate every at date daylight dst jitter schedule": "frequency",
    "target host hosts node nodes tag tags address addresses inventory glob range pattern instance": "targets",
    "status exit code codes exit-code exit-codes exitcode error errors rc": "exit-status",
    "parameter param params variable variables secret secrets template placeholder command": "parameters",
}
RELATED = {word: topic for words, topic in RELATED_ROWS.items() for word in words.split()}


@app.command("help", epilog=options.examples("assist help exit-status", "assist help instance list"))
def help_(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TOPIC|COMMAND...]", help="A topic, or a command (default: list the topics)."),
    ] = None,
) -> None:
    """Show a topic or a command. Topics: exit-status, targets, frequency, parameters."""
    printer = options.printer(context)
    if not words:
        printer.line("Topics, shown by assist help TOPIC:\n\n" + "\n".join(f"  {name}" for name in TOPICS))
        printer.line("\nHelp of a command: assist COMMAND --help, assist help COMMAND")
        return
    if words[0] in TOPICS and len(words) == 1:
        printer.line(fit(TOPICS[words[0]].rstrip(), min(printer.columns, HELP_COLUMNS)))
        return
    printer.line(_of_command(context.find_root(), words))


def _of_command(root: Any, words: Sequence[str]) -> str:
    """Return the help of a command. Raises NotFound."""
    context = root
    for word in words:
        known = getattr(context.command, "commands", {})
        if word not in known:
            text = " ".join(words)
            topic = RELATED.get(words[0].casefold()) if len(words) == 1 else None
            near = f"did you mean '{topic}'? " if topic else meant(word, [*known, *(TOPICS if context is root else ())])
            raise NotFound(
                f"cannot find the topic '{text}'",
                hint=f"{near}assist help lists the topics, {context.command_path} --help the commands",
            )
        command = known[word]
        context = type(root)(command, info_name=word, parent=context, **command.context_settings)
    topic = RELATED.get(words[0]) if len(words) == 1 else None
    return f"{context.get_help()}" + (f"\n\nSee also: assist help {topic}" if topic else "")
