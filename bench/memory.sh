#!/bin/sh
# memory.sh SUPERD PEERS: memory that a POP3 session has to itself after login, of the servers that pop3-servers.sh
# lists. run calls it.
#
# With 50 sessions open (logged in, STAT said), Private_Clean and Private_Dirty of smaps_rollup are added up over
# all processes of all sessions and divided by 50. For a server that starts processes for each connection these are
# all its descendants that were not there before. Dovecot's login processes serve all clients and are not counted;
# a session is the pop3 process that holds its connection.
set -eu
[ $# -eq 2 ] || { echo "usage: memory.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
SESSIONS=${SESSIONS:-50}
. "$here/common.sh"
. "$here/pop3-servers.sh"

compile mailbox pop3-login
mkfifo "$work/go" "$work/said"

for server in $servers; do
    house "$server"
    "$work/mailbox" "$work/$server/home/Maildir" 20 mixed >/dev/null
    settle "$server" "$work/$server/home"
    start "$server"
    "$work/pop3-login" "$address" 2110 bench secret 20 64 16 >/dev/null || fail "$server cannot be logged in to"
    sleep 0.2
    family "$pid" | sort >"$work/before"
    "$work/pop3-login" "$address" 2110 bench secret 20 0 "$SESSIONS" <"$work/go" >"$work/said" &
    client=$!
    ours=$started
    started="$started $client"
    exec 3>"$work/go" 4<"$work/said"
    read -r word count <&4 || word=
    [ "$word" = open ] && [ "$count" -eq "$SESSIONS" ] || fail "$server has not opened $SESSIONS sessions"
    family "$pid" | sort >"$work/now"
    if [ "$server" = dovecot ]; then
        holders 2110 <"$work/now" >"$work/processes"
    else
        comm -13 "$work/before" "$work/now" >"$work/processes"
    fi
    kilobytes=$(while read -r process; do cat "/proc/$process/smaps_rollup"; done <"$work/processes" |
        awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print sum + 0 }')
    exec 3>&-
    cat <&4 >/dev/null
    exec 4<&-
    started=$ours
    wait "$client" || fail "$server ended sessions"
    stop
    echo "memory $server $kilobytes $(wc -l <"$work/processes")" >>"$work/results"
done

echo "Memory of a logged-in POP3 session, $SESSIONS open at once."
echo
awk -v part=memory -v servers="$servers" -v sessions="$SESSIONS" -f "$here/median.awk" -f "$here/pop3.awk" "$work/results"
cat "$work/notes"
