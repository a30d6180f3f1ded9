#!/bin/sh
# smtp.sh SUPERD PEERS: messages a second by SMTP until all are in the Maildir, and memory, of the servers that
# smtp-servers.sh lists. run calls it.
#
# MESSAGES messages of 2 kB come over 10 connections at a time from Postfix's smtp-source: once with a connection a
# message, once with 10 connections that carry all of them, 100 each where MESSAGES is 1,000. The clock runs until all
# are in new of the Maildir (arrivals.c) and the client has its last reply. Every server syncs as it does by default.
# Servers take turns within a round; a figure is the median of the rounds. Each has a fresh Maildir in each turn, and
# 20 messages have gone by before the clock starts. CPU is that of all processes of the server, by /proc.
#
# The floor is what smtp-floor.c gets out of the same file system, 10 at a time.
#
# Memory: with 20 sessions open, EHLO said, Private_Dirty and Anonymous of smaps_rollup of the processes of the
# sessions, divided by 20; the most that any one process of the server has while a message of BIG bytes comes in, by
# looking every 2 ms.
set -eu
[ $# -eq 2 ] || { echo "usage: smtp.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
MESSAGES=${MESSAGES:-1000}
BIG=${BIG:-100000000}
at_once=10
sessions=20
. "$here/common.sh"
[ -x "$peers/smtp-source" ] || { echo "The SMTP part is left out: there is no smtp-source to make the load."; exit 0; }
. "$here/smtp-servers.sh"
needed=$((BIG / 1024 * 4 + MESSAGES * ROUNDS * 64))
free=$(df -Pk "$work" | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$needed" ] || fail "the messages need $needed kB in ${TMPDIR:-/tmp}, and $free are free (MESSAGES=, TMPDIR=)"

compile arrivals peak smtp-floor smtp-idle
mkfifo "$work/go" "$work/said" "$work/stop"

# send COUNT OPTION...: by smtp-source, until all are there; the result is in $figures: seconds until all were there, and
# until the client had ended.
send() {
    new=$work/$server/home/Maildir/new
    count=$1
    shift
    before=$(find "$new" -type f | wc -l)
    figures=$("$work/arrivals" "$new" "$count" 300 "$peers/smtp-source" -m "$count" "$@" -M bench.example -f s@far.test \
        -t bench@here.test "$address:2525") || fail "$server could not be measured"
    after=$(find "$new" -type f | wc -l)
    [ $((after - before)) -eq "$count" ] || fail "$server has made $((after - before)) of $count messages"
}

# begin SERVER: a fresh Maildir, and the server up.
begin() {
    # Not removed: for five seconds ext4 looks for new inodes around those that were deleted, and that is slow.
    if [ -e "$work/$1" ]; then mv "$work/$1" "$work/old.$turn"; fi
    house "$1"
    start "$1"
    # Waits until it listens.
    "$work/smtp-idle" "$address" 2525 1 </dev/null >/dev/null || fail "$1 does not answer"
    send 20 -s 10 -l 2048
}

# turn SERVER MODE OPTION...: one measurement, noted as "MODE SERVER messages/s seconds-there seconds-ended cpu".
turn() {
    server=$1
    mode=$2
    shift 2
    begin "$server"
    used=$(cpu)
    send "$MESSAGES" -s $at_once -l 2048 "$@"
    sleep 0.2 # the last ones end
    used=$(($(cpu) - used))
    stop
    small=$(find "$new" -type f -size -2048c | wc -l)
    [ "$small" -eq 0 ] || fail "$server has made $small messages that are not whole"
    echo "$mode $server $figures $used" | awk -v messages="$MESSAGES" '{ time = $3 > $4 ? $3 : $4; print $1, $2, messages / time, $3, $4, $5 }' >>"$work/results"
}

# idle SERVER: noted as "idle SERVER dirty anonymous processes", for all sessions.
idle() {
    family "$pid" >"$work/before"
    [ -z "$beside" ] || family "$beside" >>"$work/before"
    sort -o "$work/before" "$work/before"
    "$work/smtp-idle" "$address" 2525 $sessions <"$work/go" >"$work/said" &
    client=$!
    ours=$started
    started="$started $client"
    exec 3>"$work/go" 4<"$work/said"
    read -r word count <&4 || fail "$1 has not opened $sessions sessions"
    { family "$pid"; [ -z "$beside" ] || family "$beside"; } | sort >"$work/now"
    if [ "$1" = postfix ]; then
        holders 2525 <"$work/now" >"$work/processes"
    else
        comm -13 "$work/before" "$work/now" >"$work/processes"
    fi
    figures=$(while read -r process; do cat "/proc/$process/smaps_rollup"; done <"$work/processes" |
        awk '/^Private_Dirty:/ { dirty += $2 } /^Anonymous:/ { anonymous += $2 } END { print dirty + 0, anonymous + 0 }')
    exec 3>&-
    cat <&4 >/dev/null
    exec 4<&-
    started=$ours
    wait "$client" || fail "$1 ended sessions"
    echo "idle $1 $figures $(wc -l <"$work/processes")" >>"$work/results"
}

# big SERVER: noted as "big SERVER dirty anonymous process looks seconds".
big() {
    # shellcheck disable=SC2086 # process ids
    "$work/peak" "$pid" $beside <"$work/stop" >"$work/peaks" &
    watcher=$!
    ours=$started
    started="$started $watcher"
    exec 3>"$work/stop"
    send 1 -s 1 -l "$BIG"
    exec 3>&-
    started=$ours
    wait "$watcher" || fail "the memory of $1 could not be seen"
    # Of the line ends, two bytes in eighty, one is stored.
    whole=$(find "$new" -type f -size +$((BIG / 1024 * 95 / 100))k | wc -l)
    [ "$whole" -eq 1 ] || fail "$1 has not made a message of $BIG bytes"
    echo "big $1 $(cat "$work/peaks") ${figures% *}" >>"$work/results"
}

sleep 5 # what a part before this one deleted, see begin
for round in $(seq "$ROUNDS"); do
    echo "smtp: round $round of $ROUNDS" >&2
    for server in $servers; do
        turn "$server" each
        turn "$server" many -d
    done
    mkdir -p "$work/floor.$round/tmp" "$work/floor.$round/new"
    figures=$("$work/smtp-floor" "$work/floor.$round" "$MESSAGES" $at_once) || fail "the floor could not be measured"
    echo "floor floor $figures" >>"$work/results"
done
for server in $servers; do
    echo "smtp: memory of $server" >&2
    begin "$server"
    idle "$server"
    big "$server"
    stop
    rm -rf "${work:?}/$server/home"
done

# The mount that $work is on: device, kind, options.
disk=$(df -P "$work" | awk 'NR == 2 { print $1, $6 }')
kind=$(awk -v place="${disk#* }" '$2 == place { kind = $3 ", " $4 } END { print kind }' /proc/mounts)
echo "Mail by SMTP: medians of $ROUNDS rounds, $MESSAGES messages of 2 kB, $at_once connections; ${TMPDIR:-/tmp} on ${disk% *} ($kind)."
case $kind in
tmpfs*) echo "That file system keeps nothing: syncing costs nothing there." ;;
esac
echo
awk -v servers="$servers" -v messages="$MESSAGES" -v sessions=$sessions -v megabytes=$((BIG / 1000000)) \
    -f "$here/median.awk" -f "$here/smtp.awk" "$work/results"
cat "$work/notes"
