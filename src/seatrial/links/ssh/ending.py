"""Ends the processes of a command or of a trial on a node, in whatever session and with whatever environment."""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.links.ssh.wire import COUNT, FIRST, LIMIT, STEP, trial_class

ROUNDS = 50
"""Attempts, 0.1 s apart: a killed process may need a while, and others may start during an attempt."""

REMAIN = 46
"""The exit code when processes remain."""

# Zombies are dead: where the first process reaps no orphans, they stay. The way of this very command to the node is
# spared: its SSH server too, if the trial restarted it.
_ENDING = rf"""
fields() {{ # of process $1 after its name: state, parent, group, session, …
  line=; read -r line <"/proc/$1/stat" || return 1
  case $line in *') '*) ;; *) line=$(tr '\n' ' ' <"/proc/$1/stat");; esac
  line=${{line##*) }}
}}
spared=' ' p=$$
while [ "${{p:-0}}" -gt 1 ] && fields "$p" 2>/dev/null; do spared="$spared$p "; p=${{line#* }}; p=${{p%% *}}; done
look() {{
  limits=$(grep -s '^Max resident set' /proc/[0-9]*/limits)
  marked=' '
  while IFS=' /:' read -r _ _ p _ _ _ _ v _; do
    case $v in ''|*[!0-9]*) continue;; esac
    is_marked $((v / 1024 - {LIMIT})) && marked="$marked$p "
  done <<END
$limits
END
  table=
  for p in /proc/[0-9]*; do
    p=${{p#/proc/}}; slack=
    case $spared in *" $p "*) continue;; esac
    fields "$p" || continue
    set -- $line
    case $1 in Z|X) continue;; esac
    read -r slack <"/proc/$p/timerslack_ns"
    is_marked "$slack" && marked="$marked$p "
    table="$table$p $2 $4
"
  done
  marked="$marked$(by_environment) "
  pids=$marked grown=yes
  while [ "$grown" ]; do
    grown=
    while read -r p parent session; do
      case $pids in *" $p "*) continue;; *" $parent "*|*" $session "*) pids="$pids$p " grown=yes;; esac
    done <<END
$table
END
  done
  alive=
  while read -r p _; do
    case $pids in *" $p "*) [ "${{p:-0}}" -gt 1 ] && alive="$alive $p";; esac
  done <<END
$table
END
}}
round=0
while look 2>/dev/null; [ "$alive" ]; do
  kill -s KILL $alive 2>/dev/null
  round=$((round + 1))
  [ "$round" -lt {ROUNDS} ] || {{
    echo "these processes do not end:" $(for p in $alive; do echo "$p ($(cat "/proc/$p/comm" 2>/dev/null))"; done) >&2
    exit {REMAIN}
  }}
  sleep 0.1
done
"""


def of_commands(numbers: Iterable[int]) -> str:
    """Shell text to end the processes of commands, with their children and sessions; exit code REMAIN when some do."""
    return f"""is_marked() {{ case $1 in {"|".join(map(str, numbers))}) ;; *) return 1;; esac; }}
by_environment() {{ :; }}
{_ENDING}"""


def of_environment(line: str) -> str:
    """The same for the processes with this line (`NAME=value`) in their environment."""
    return f"""is_marked() {{ return 1; }}
by_environment() {{ grep -lsF '{line}' /proc/[0-9]*/environ | cut -d/ -f3 | tr '\\n' ' '; }}
{_ENDING}"""


def of_trial(trial: str) -> str:
    """Shell text to end all processes of a trial; exit code REMAIN when some do. `trial` is safe in a shell."""
    most = FIRST + STEP * (COUNT + 1)
    return f"""is_marked() {{
  [ "$1" -gt {FIRST} ] && [ "$1" -lt {most} ] &&
    [ $((($1 - {FIRST}) % {STEP})) = {trial_class(trial)} ]
}}
by_environment() {{ grep -lsF 'E2E_RUN_ID={trial}' /proc/[0-9]*/environ | cut -d/ -f3 | tr '\\n' ' '; }}
{_ENDING}"""
