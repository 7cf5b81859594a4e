"""The scheduled task that starts an agent at boot (Windows), as the XML that ``schtasks /create /xml`` takes.

The defaults of the Task Scheduler do not fit a service: it ends a task after three days and on battery, and starts it
with priority 7, which starves the scripts. Priority 4 is that of an ordinary program.
"""

import re

_TASK = """\
<?xml version="1.0" encoding="UTF-16"?>
<Task version="1.2" xmlns="http://schemas.microsoft.com/windows/2004/02/mit/task">
  <RegistrationInfo>
    <Description>Assist agent and its guard. Made by its installation; overwritten by the next one.</Description>
  </RegistrationInfo>
  <Triggers>
    <BootTrigger><Enabled>true</Enabled></BootTrigger>
  </Triggers>
  <Principals>
    <Principal id="Author">
      <UserId>S-1-5-18</UserId>
      <RunLevel>HighestAvailable</RunLevel>
    </Principal>
  </Principals>
  <Settings>
    <MultipleInstancesPolicy>IgnoreNew</MultipleInstancesPolicy>
    <DisallowStartIfOnBatteries>false</DisallowStartIfOnBatteries>
    <StopIfGoingOnBatteries>false</StopIfGoingOnBatteries>
    <StartWhenAvailable>true</StartWhenAvailable>
    <ExecutionTimeLimit>PT0S</ExecutionTimeLimit>
    <Priority>4</Priority>
    <RestartOnFailure><Interval>PT1M</Interval><Count>999</Count></RestartOnFailure>
  </Settings>
  <Actions Context="Author">
    <Exec>
      <Command>{program}</Command>
      <Arguments>{arguments}</Arguments>
    </Exec>
  </Actions>
</Task>
"""
_ARCHIVE = re.compile(r"[\\/]agentd-([^\\/]+?)\.pyz")


def task_xml(program: str, arguments: str) -> bytes:
    """Return the definition of a task that runs a program as the system, from boot on."""
    return _TASK.format(program=_escaped(program), arguments=_escaped(arguments)).encode("utf-16")


def task_version(definition: bytes) -> str:
    """Return the version of the agent in a definition, empty without one."""
    found = _ARCHIVE.search(definition.decode("utf-16", "replace"))
    return found.group(1) if found else ""


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
