"""Ends the processes of a command or of a trial on a node, in whatever session and with whatever environment.

A look at all processes misses a chain of forks: each process has ended before the look comes to it, and its child began
behind the look. So a hunt follows each look: it waits at the newest process of the machine, whose number the kernel
tells, and looks at that one alone, in less time than a fork takes.
"""

from __future__ import annotations

from collections.abc import Iterable

from seatrial.links.ssh.wire import COUNT, FIRST, LIMIT, STEP, trial_class

ROUNDS, SECONDS = 50, 10
"""Most attempts, at least 0.1 s apart, and the time for them: a killed process may need a while, and others may start
during an attempt."""

HUNT = 10
"""Shortest hunt, in hundredths of a second. A process that lives longer than two looks is in the second one; so a hunt
takes the time of two looks more."""

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
spared=' ' spared_groups=' ' p=$$
while [ "${{p:-0}}" -gt 1 ] && fields "$p" 2>/dev/null; do
  spared="$spared$p "
  set -- $line
  p=$2 spared_groups="$spared_groups$3 "
done
clock() {{ read -r now _ </proc/uptime && now=$((${{now%.*}} * 100 + 1${{now#*.}} - 100)); }}
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
    table="$table$p $2 $4 $3
"
  done
  marked="$marked$(by_environment) "
  pids=$marked grown=yes
  while [ "$grown" ]; do
    grown=
    while read -r p parent session _; do
      case $pids in *" $p "*) continue;; *" $parent "*|*" $session "*) pids="$pids$p " grown=yes;; esac
    done <<END
$table
END
  done
  alive= groups=' '
  while read -r p _ _ group; do
    case $pids in *" $p "*) [ "${{p:-0}}" -gt 1 ] || continue;; *) continue;; esac
    alive="$alive $p"
    case $spared_groups$groups in *" $group "*|*" -$group "*) continue;; esac
    [ "$group" -le 1 ] || groups="$groups-$group "
  done <<END
$table
END
}}
hunt() {{ # for $1 hundredths of a second; true when it killed
  clock || return 1
  last= killed= turn=0 until=$((now + $1))
  while read -r _ _ _ _ p _ </proc/loadavg; do
    if [ "$p" != "$last" ]; then
      last=$p
      carries_mark "$p" && case $spared in *" $p "*) ;; *) kill -s KILL "$p" "-$p"; killed="$p";; esac
    fi
    turn=$((turn + 1))
    [ $((turn % 64)) = 0 ] || continue
    clock && [ "$now" -lt "$until" ] || break
  done
  [ "$killed" ]
}}
clock; begun=$now round=0
while clock; at=$now; look 2>/dev/null; clock; [ "$alive" ] || hunt $(((now - at) * 2 + {HUNT})) 2>/dev/null; do
  [ "$alive" ] && kill -s KILL $alive $groups 2>/dev/null
  round=$((round + 1))
  [ "$round" -lt {ROUNDS} ] && [ $((now - begun)) -lt {SECONDS}00 ] || {{
    [ "$alive" ] || echo "new processes begin faster than they are ended, such as $killed" >&2
    [ "$alive" ] && echo "these processes do not end:" \
      $(for p in $alive; do echo "$p ($(cat "/proc/$p/comm" 2>/dev/null))"; done) >&2
    exit {REMAIN}
  }}
  [ -z "$alive" ] || sleep 0.1
done
"""

_BY_NUMBER = rf"""
carries_mark() {{
  if read -r slack <"/proc/$1/timerslack_ns"; then is_marked "$slack" && return; fi
  while IFS=' ' read -r _ w _ v _; do
    case $w in resident) break;; esac
  done <"/proc/$1/limits" || return
  case $v in ''|*[!0-9]*) return 1;; esac
  is_marked $((v / 1024 - {LIMIT}))
}}
"""


def _in_environment(line: str) -> str:
    """Shell text to find the processes with this line in their environment."""
    return rf"""
by_environment() {{ # BusyBox's grep sees only the first variable without -z, and old ones do not know -z
  {{ grep -lszF '{line}' /proc/[0-9]*/environ || grep -lsF '{line}' /proc/[0-9]*/environ; }} 2>/dev/null |
    cut -d/ -f3 | tr '\n' ' '
}}
variables() {{
  while read -r v || [ "$v" ]; do
    case $v in *'{line}'*) return 0;; esac
  done <"/proc/$1/environ"
  return 1
}}
"""


def of_commands(numbers: Iterable[int]) -> str:
    """Shell text to end the processes of commands, with their children and sessions; exit code REMAIN when some do."""
    return f"""is_marked() {{ case $1 in {"|".join(map(str, numbers))}) ;; *) return 1;; esac; }}
by_environment() {{ :; }}
{_BY_NUMBER}{_ENDING}"""


def of_environment(line: str) -> str:
    """The same for the processes with this line (`NAME=value`) in their environment."""
    return f"""is_marked() {{ return 1; }}
{_in_environment(line)}carries_mark() {{ variables "$1"; }}
{_ENDING}"""


def of_trial(trial: str) -> str:
    """Shell text to end all processes of a trial; exit code REMAIN when some do. `trial` is safe in a shell."""
    most = FIRST + STEP * (COUNT + 1)
    return f"""is_marked() {{
  [ "$1" -gt {FIRST} ] && [ "$1" -lt {most} ] &&
    [ $((($1 - {FIRST}) % {STEP})) = {trial_class(trial)} ]
}}
{_in_environment(f"E2E_RUN_ID={trial}")}{_BY_NUMBER}{_ENDING}"""
