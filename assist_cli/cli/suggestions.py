"""Words of other tools, and of habit, with the command or option of ours that does the same.

COMMANDS serves the root and every group: in a group its own commands are shown, else all. A key with a group in it,
as "schedule rm", wins over the word alone. NOTES has the hints for words without such a command or option.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence

from assist_cli.model import names

SHOWN = 3
LEAST = 3  # letters of a word that may be misspelt

_LIST = (
    "instance list",
    "invocation list",
    "command list",
    "schedule list",
    "file list",
    "accesskey list",
    "audit list",
    "quota",
)
_SHOW = ("invocation show ID", "instance show NAME", "command show NAME", "schedule show ID", "file show ID")
_DELETE = (
    "instance remove NAME",
    "command delete NAME",
    "invocation prune --older-than AGE",
    "accesskey delete ID",
    "service uninstall",
)
_CREATE = (
    "command create NAME -f FILE",
    "instance add NAME ADDRESS",
    "instance install HOST",
    "accesskey create NAME",
    "service install",
)
_STATUS = ("instance status", "invocation show -", "service status", "doctor")
_LOGS = ("invocation output ID", "invocation list", "audit list", "schedule slots ID")
_RUN = ("run -i TARGET -- PROGRAM", "invoke NAME -i TARGET")
_SCHEDULE = ("run --cron 'EXPR' -- PROGRAM", "run --every 30s -- PROGRAM", "invoke NAME --cron 'EXPR'")
_WATCH = ("invocation wait ID", "invocation watch ID", "top")
_UPDATE = ("instance upgrade", "command clone NAME", "command modify NAME")

COMMAND_ROWS: dict[str, tuple[str, ...]] = {
    "ls, list, ll, dir": _LIST,
    "history, hist, past, recent": ("invocation list", "command versions NAME", "schedule slots ID"),
    "jobs, job, tasks, task, executions, execution, invocations, runs, ps, processes": ("invocation list", "top"),
    "queued, pending, waiting, backlog": ("queue list", "invocation list --status Running"),
    "running, active": ("invocation list --status Running", "top"),
    "failed, failures, errors": ("invocation list --unsuccessful", "schedule slots ID"),
    "hosts, host, nodes, node, machines, machine, servers, minions": ("instance list",),
    "targets, target, pattern, patterns": ("help targets", "instance list"),
    "facts, fact, grains, grain": ("instance show NAME", "run -i TARGET -- uname -a"),
    "inventory, instances, agents, agent, fleet": ("instance list",),
    "scripts, script, commands, playbooks, playbook, play, documents, document, templates": (
        "command list",
        "invoke NAME",
    ),
    "schedules, scheduled, timers, timer, crons, crontab, cron, at, periodic, recurring, every": (
        "schedule list",
        *_SCHEDULE,
    ),
    "files": ("file list",),
    "keys, key, token, tokens, apikey, user, users, login, auth": ("accesskey list", "accesskey create NAME"),
    "events, event, activity, auditlog": ("audit list",),
    "limits, limit, quotas": ("quota",),
    "show, get, describe, info, inspect, view, detail, details, cat, print": _SHOW,
    "rm, del, delete, remove, erase, destroy, unregister, drop, unlink": _DELETE,
    "create, add, new, save, register, define, make": _CREATE,
    "enroll, enrol, activate, activation, invite": ("instance enroll --out FILE", "enrolment list"),
    "enrollment, enrollments, enrolments, activations": ("enrolment list", "instance enroll --out FILE"),
    "install, join, bootstrap, onboard, deploy, setup, provision": (
        "instance install HOST",
        "service install",
    ),
    "uninstall, purge": ("instance uninstall NAME", "service uninstall"),
    "edit, vi, vim": ("command clone NAME", "command modify NAME"),
    "update, set, change": _UPDATE,
    "upgrade": ("instance upgrade",),
    "rename, mv, move": ("instance rename NAME NEW", "command modify NAME --name NEW"),
    "duplicate, fork": ("command clone NAME",),
    "tag, tags, label, labels": ("instance tag NAME KEY=VALUE",),
    "exec, execute, ssh, sh, shell, bash, cmd, command-line, call, start, launch, adhoc, pssh, clush, do": _RUN,
    "apply, trigger, fire, dispatch": ("invoke NAME -i TARGET", "run -i TARGET -- PROGRAM"),
    "copy, cp, scp, push, put, upload, sync, rsync, transfer, distribute": (
        "send FILE -i TARGET --to DIR",
        "command clone NAME",
    ),
    "download, fetch, pull": ("run -i NAME -- cat FILE",),
    "kill, cancel, abort, terminate, end, halt, stop": ("stop ID",),
    "retry, again, redo, repeat, replay": ("rerun ID",),
    "pause, suspend": ("schedule pause ID",),
    "resume, continue, unpause": ("schedule resume ID",),
    "enable, disable": ("schedule pause ID", "schedule resume ID", "accesskey enable ID", "accesskey disable ID"),
    "logs, log, output, out, stdout, journal": _LOGS,
    "results, result, report": ("invocation results ID", "invocation show ID"),
    "status, state, st": _STATUS,
    "ping, health, healthcheck, check, uptime, heartbeat, reachable": ("instance status", "doctor NAME"),
    "wait, watch, follow, attach, tail, monitor, fg": _WATCH,
    "htop, dashboard, ui, console": ("top",),
    "search, grep, find": ("invocation search TEXT", "instance list TARGET"),
    "diff, compare": ("invocation diff ID ID", "command diff NAME"),
    "prune, clean, cleanup, gc, vacuum": ("invocation prune --older-than AGE",),
    "revert, undo, rollback": ("command rollback NAME VERSION",),
    "export": ("command export", "backup FILE"),
    "dump, snapshot, snapshots, archive, backups": ("backup FILE", "command export"),
    "db, database, sqlite": ("doctor", "backup FILE"),
    "config, configure, configuration, conf, settings, setting, env": ("doctor", "quota", "help"),
    "secret, secrets, vault, password, passwords": ("run --secret KEY=REF -- PROGRAM", "help parameters"),
    "cordon, uncordon, drain, maintenance, quarantine": ("instance tag NAME KEY=VALUE", "schedule pause ID"),
    "import, load": ("command import FILE",),
    "server, daemon, scheduler, api, web, listen": ("serve", "service install"),
    "service-install, systemd, systemctl, unit": ("service install",),
    "metrics, prometheus": ("serve --metrics ADDRESS:PORT",),
    "webhook, webhooks, notifications, notification, alert, alerts": ("notify test", "run --notify URL -- PROGRAM"),
    "diagnose, debug, verify, troubleshoot, test": ("doctor", "notify test"),
    "version, ver, -v": ("--version",),
    "man, topics, topic, usage, docs, ?": ("help",),
    "completions, autocomplete, complete": ("completion install",),
    # in one group another meaning
    "schedule rm, schedule del, schedule delete, schedule remove, schedule cancel, schedule kill, schedule stop": (
        "stop ID",
    ),
    "schedule disable, schedule suspend": ("schedule pause ID",),
    "schedule enable, schedule unpause": ("schedule resume ID",),
    "schedule create, schedule add, schedule new, schedule run, schedule set, schedule every, schedule cron": _SCHEDULE,
    "schedule history, schedule runs, schedule logs, schedule log, schedule results": ("schedule slots ID",),
    "schedule next, schedule test, schedule check": ("schedule preview 'FREQUENCY'",),
    "invocation rm, invocation delete, invocation remove": ("invocation prune --older-than AGE", "stop ID"),
    "invocation create, invocation run, invocation start, invocation exec, invocation new": _RUN,
    "invocation status": ("invocation show ID",),
    "invocation ps, invocation running": ("invocation list --status Running",),
    "command run, command exec, command execute, command invoke, command start, command call": ("invoke NAME",),
    "command ssh, command sh": ("run -i TARGET -- PROGRAM",),
    "command edit, command update, command set": ("command clone NAME", "command modify NAME"),
    "command copy, command cp": ("command clone NAME",),
    "command log, command logs, command history": ("command versions NAME", "invocation list --command NAME"),
    "instance run, instance exec, instance ssh, instance shell": ("run -i NAME -- PROGRAM",),
    "instance history, instance logs, instance log, instance jobs": ("invocation list -i NAME",),
    "instance edit, instance modify, instance set": ("instance tag NAME KEY=VALUE", "instance rename NAME NEW"),
    "instance add-tag, instance label": ("instance tag NAME KEY=VALUE",),
    "instance untag, instance remove-tag, instance unlabel": ("instance tag NAME KEY=",),
    "instance doctor, instance diagnose": ("doctor NAME",),
    "instance copy, instance cp, instance send": ("send FILE -i NAME --to DIR",),
    "instance watch, instance monitor": ("top",),
    "file send, file put, file copy, file cp, file upload, file push, file create, file add": (
        "send FILE -i TARGET --to DIR",
    ),
    "file rm, file delete, file remove": ("run -i TARGET -- rm FILE",),
    "service run, service enable": ("service install", "serve"),
    "service disable, service rm, service remove, service delete": ("service uninstall",),
    "service show, service list, service ls": ("service status",),
    "accesskey show, accesskey get": ("accesskey list",),
    "accesskey revoke": ("accesskey disable ID", "accesskey delete ID"),
    "accesskey rotate, accesskey renew": ("accesskey create NAME", "accesskey delete ID"),
    "audit log, audit show, audit logs, audit search": ("audit list --since 1d",),
    "completion bash, completion zsh, completion fish, completion add, completion enable": ("completion install",),
    "quota list, quota show, quota ls, quota get": ("quota",),
    "quota edit, quota update, quota change": ("quota set NAME NUMBER",),
    "notify send, notify add, notify list": ("notify test", "run --notify URL -- PROGRAM"),
}
COMMANDS: Mapping[str, tuple[str, ...]] = {
    word: meant for words, meant in COMMAND_ROWS.items() for word in words.split(", ")
}

_OTHERS = "assist rerun ID --preview lists the instances that did not succeed"
# Complete hints. A key with a command in it wins over the word alone.
NOTE_ROWS: dict[str, str] = {
    "--color, --colour, --no-color, --no-colour": "colours are off in a pipe, and with NO_COLOR=1 before assist",
    "--ignore-errors, --keep-going": "a failure on one instance does not stop the others; --max-errors N sets a limit",
    "--run-now, --now": "without --every, --cron, --at and --in it runs now",
    "--sudo-password, --ask-become-pass, --ask-pass, --become-password": (
        "agents ask for no password; --user NAME runs the script as another user if the agent is root"
    ),
    "--tty, -it, --interactive": "a script has no terminal; for a program that needs one: ssh -t HOST PROGRAM",
    "rerun -i, rerun --instance": (
        "it runs on instances of that invocation; on others: assist invoke NAME -i TARGET, or assist run -i TARGET"
    ),
    "invocation results --failed, invocation results --unsuccessful": _OTHERS,
    "invocation show --failed, invocation show --unsuccessful": _OTHERS,
    "restart, reload": (
        "of a service on instances: assist run -i TARGET -- systemctl restart UNIT; of the server: {systemctl} restart "
        "assist"
    ),
    "service stop": "{systemctl} stop assist; for good: assist service uninstall",
    "service start": "{systemctl} start assist; not installed yet: assist service install",
    "service restart, service reload": "{systemctl} restart assist",
    "service logs, service log, service journal": "{journalctl} -u assist",
}
NOTES: Mapping[str, str] = {word: text for words, text in NOTE_ROWS.items() for word in words.split(", ")}

_LOGINS = frozenset({"assist instance install", "assist instance add"})  # take the user as USER@HOST
_TARGET = ("-i TARGET",)
OPTION_ROWS: dict[str, tuple[str, ...]] = {
    "--host --hosts --node --nodes --target --targets --server --servers --machine --machines -H -w -h": _TARGET,
    "--instances --instance-id --instance-ids --minion --minions --inventory -L --name --names": _TARGET,
    "--limit": ("-n N", "-i TARGET"),
    "-l": ("-i TARGET", "--user NAME"),
    "-i": ("--identity FILE",),
    "-p": ("--port PORT",),
    "--tag --tags": ("-i @KEY=VALUE", "--tag KEY=VALUE"),
    "--filter --filters --group --groups -g -G -N --label --labels --selector --role": ("-i @KEY=VALUE",),
    "--user": ("--owner NAME",),
    "--exclude --except -x --skip-hosts": ("-i '!NAME'",),
    "--all-hosts --everywhere --every-host -A -a": ("--all",),
    "--random --sample --subset": ("--pick N",),
    "-u --username --run-as --runas --as-user --become-user --become --sudo -b -K -U": ("--user NAME",),
    "--forks --parallel --parallelism --max-concurrency --fanout --concurrent --jobs --threads --workers -j -P": (
        "--concurrency N",
    ),
    "--serial --batch-size --batches --wave --waves --rolling": ("--batch N",),
    "--max-failures --max-fail --max-fail-percentage --failhard --fail-fast --error-threshold": ("--max-errors N",),
    "--execution-timeout --time-limit --timelimit --max-time -T -t": ("--timeout TIME", "--wait TIME"),
    "--check --dry-run --dryrun --noop --no-op --list-hosts --simulate -C -n": ("--preview", "-n N"),
    "--background --async --no-wait --nowait --detached --bg -B -d": ("--detach", "--to DIR"),
    "--extra-vars --var --vars --env --arg --args --set --parameter --parameters -e -D": (
        "-p KEY=VALUE",
        "--params JSON",
    ),
    "--json --yaml --format --out --formatter": ("-o json",),
    "--jsonl --ndjson": ("-o jsonl",),
    "--script --script-file --filename --input": ("-f FILE",),
    "--cmd --exec --execute --text --content --module-args": ("-c TEXT",),
    "--shell --interpreter --language --lang --kind": ("--type TYPE",),
    "--cwd --chdir --dir --directory --working-dir --working-directory": ("--workdir DIR", "--to DIR"),
    "--interval --repeat --period --rate": ("--every TIME",),
    "--schedule --crontab --periodic --recurring": ("--cron EXPR", "--every TIME"),
    "--tz --zone --time-zone": ("--timezone ZONE",),
    "--when --time --date --start --start-time": ("--at TIME",),
    "--delay --after": ("--in TIME", "--since TIME"),
    "--splay --randomized-delay --spread": ("--jitter TIME",),
    "--group-output --dshbak --fold --collapse --aggregate --dedupe": ("--gather",),
    "--stream --follow --tail": ("--live",),
    "-y --assume-yes --confirm --no-confirm": ("--yes",),
    "--force --clobber --replace": ("--overwrite",),
    "--dest --destination --path --remote-path": ("--to DIR",),
    "--perm --perms --permissions --chmod": ("--mode MODE",),
    "--chown": ("--owner NAME",),
    "--count": ("-n N", "--pick N"),
    "--times": ("-n N", "--every TIME"),
    "--hourly": ("--cron @hourly",),
    "--daily --nightly": ("--cron @daily",),
    "--weekly": ("--cron @weekly",),
    "--monthly": ("--cron @monthly",),
    "--last --max --head --top --max-results --lines": ("-n N",),
    "--from --newer --newer-than --begin --age": ("--since TIME", "--older-than AGE"),
    "--failed": ("--unsuccessful",),
    "--unsuccessful": ("--failed",),
    "--failure --failures --errors --failed-only --unsuccesful": ("--unsuccessful", "--failed"),
    "--webhook --callback --mail --email --alert": ("--notify URL",),
    "-F --identity-file --private-key --key --ssh-key": ("--identity FILE",),
    "--proxy --proxyjump --jump-host --bastion -J": ("--jump HOST",),
    "--ssh-port": ("--port PORT",),
    "--message --comment --desc -m": ("--description TEXT",),
}
OPTIONS: Mapping[str, tuple[str, ...]] = {word: meant for words, meant in OPTION_ROWS.items() for word in words.split()}


def commands(group: str, word: str, known: Collection[str]) -> list[str]:
    """Return the commands that ``word`` means in a group, whose own are ``known``; the group of the root is "assist".

    Each is written from "assist" on, with the arguments that it needs.
    """
    path = group.partition(" ")[2]
    folded = word.casefold()
    similar = [each for each in known if each.startswith(folded)]
    if not similar and len(folded) >= LEAST:
        similar = names.nearest(word, known)
    if folded == "help":
        return [f"{group} --help"]
    meant = COMMANDS.get(f"{path} {folded}".strip())
    if meant is None and similar:
        return [f"{group} {each}" for each in similar[:SHOWN]]
    if meant is None:
        near = [] if path or len(folded) < LEAST else names.nearest(folded, COMMANDS, 0.8)
        alone = COMMANDS.get(folded) or (COMMANDS[near[0]] if near else ())
        meant = tuple(each for each in alone if each.split()[0] == path) or alone
    return [f"assist {each}" for each in meant[:SHOWN]]


def options(command: str, word: str, known: Sequence[str]) -> list[str]:
    """Return the options that ``word`` means, of those that a command has (``known``)."""
    if command in _LOGINS and word in ("--user", "-u", "-l", "--username"):
        return ["USER@HOST"]
    if word in OPTIONS:
        return [each for each in OPTIONS[word] if each.split()[0] in known]
    begun = [each for each in known if word.startswith("--") and each.startswith(word)]
    return (begun or names.nearest(word, known))[:SHOWN]


def note(group: str, word: str) -> str:
    """Return the complete hint for a word in a group or an option of a command, empty where there is none."""
    path = group.partition(" ")[2]
    text = NOTES.get(f"{path} {word.casefold()}".strip()) or (NOTES.get(word) if word.startswith("-") else "") or ""
    user = "" if os.geteuid() == 0 else " --user"
    return text.format(systemctl=f"systemctl{user}", journalctl=f"journalctl{user}")


def question(meant: list[str]) -> str:
    """Return the beginning of a hint: ``did you mean assist stop ID? ``, or nothing."""
    if not meant:
        return ""
    *first, last = meant
    return f"did you mean {', '.join(first)}{' or ' if first else ''}{last}? "
