#!/bin/sh
# connections.sh SUPERD PEERS: measures superd beside tcpserver, tcpsvd and the floor (floor.c), and superd-rules beside
# tcprules, and prints tables in Markdown. run calls it.
#
# The same work for all: the cheapest handler there is (hello.c), 4,000 connections, 32 at a time, from
# loopback addresses; rules of 100,000 entries. Servers take turns within a round, so that what else
# happens on the machine hits all of them; a figure is the median of the rounds. CPU is that of the
# server's process and of its children for 4,000 connections, as /proc tells it.
#
# A target that is missed is printed as missed; only a run that broke has an exit status other than 0.
set -eu
[ $# -eq 2 ] || { echo "usage: connections.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
TOTAL=${TOTAL:-4000}
RULES=${RULES:-1000000}
for program in tcpserver tcpsvd tcprules; do
    [ -x "$peers/$program" ] || { echo "bench: there is no $program in $peers to compare with" >&2; exit 1; }
done

. "$here/common.sh"

# Without a C library where that works.
cc -O2 -static -nostdlib -o "$work/hello" "$here/hello.c" 2>/dev/null || cc -O2 -static -o "$work/hello" "$here/hello.c"
compile floor load

# A hundred thousand entries that are not the clients', and one that is.
entries() { # entries COUNT
    awk -v count="$1" 'BEGIN { for (n = 0; n < count; n++) printf "%d.%d.%d.%d:deny\n", 10 + int(n / 16777216), int(n / 65536) % 256, int(n / 256) % 256, n % 256 }'
}
{ entries 100000; echo '127.:allow,RELAYCLIENT=""'; } | "$work/bin/superd-rules" "$work/allow.cdb" "$work/tmp" 2>/dev/null
{ entries 100000; echo '127.:deny'; } | "$work/bin/superd-rules" "$work/deny.cdb" "$work/tmp" 2>/dev/null

cpu() { # cpu PID: own and children's, user and system, in milliseconds
    sed 's/.*) //' "/proc/$1/stat" | awk '{ print ($12 + $13) * 10, ($14 + $15) * 10 }'
}

busy= # two loops that take what time they get
# measure CASE SERVER BYTES COMMAND...: runs COMMAND (in which ADDRESS stands for where to listen),
# loads it once, and notes "CASE SERVER rate p50 p99 own children".
measure() {
    case=$1 server=$2 bytes=$3
    shift 3
    new_address
    words=
    for word in "$@"; do
        [ "$word" != ADDRESS ] || word=$address
        words="$words $word"
    done
    mkfifo "$work/log.$turn"
    cat "$work/log.$turn" >/dev/null &
    reader=$!
    # The environment is as small as that of a boot script: the kernel copies it for each program,
    # and the floor's programs have none.
    # shellcheck disable=SC2086 # no word of ours has a blank
    env -i PATH=/usr/bin:/bin SUPERD_LIBEXEC="$work/bin" $words >"$work/log.$turn" 2>&1 </dev/null &
    pid=$!
    started="$busy $pid $reader"
    # One connection goes by before the clock starts, in load.
    if ! result=$("$work/load" "$address" 2525 "$TOTAL" 32 "$bytes"); then
        echo "bench: $server could not be measured ($case)" >&2
        exit 1
    fi
    used=$(cpu "$pid")
    kill "$pid"
    wait "$pid" 2>/dev/null || :
    wait "$reader" 2>/dev/null || :
    started=$busy
    set -- $result
    if [ "$4" -gt 0 ]; then
        echo "bench: $server failed $4 of $TOTAL connections ($case)" >&2
        exit 1
    fi
    echo "$case $server $1 $2 $3 $used" >>"$work/results"
}

# The servers of a case. -c and -b are large enough that nobody waits for the server's permission.
superd() { case=$1 bytes=$2; shift 2; measure "$case" superd "$bytes" "$superd" -HRl0 -c 1000 -b 1000 "$@" ADDRESS 2525 "$work/hello"; }
tcpserver() { case=$1 bytes=$2; shift 2; measure "$case" tcpserver "$bytes" "$peers/tcpserver" -HRl0 -c 1000 -b 1000 "$@" ADDRESS 2525 "$work/hello"; }
tcpsvd() { measure "$1" tcpsvd "$2" "$peers/tcpsvd" -l 0 -c 1000 -b 1000 ADDRESS 2525 "$work/hello"; }
floor() { measure "$1" floor "$2" "$work/floor" ADDRESS 2525 "$work/hello"; }

logged="-v -x $work/allow.cdb"
# shellcheck disable=SC2086
for round in $(seq "$ROUNDS"); do
    echo "round $round of $ROUNDS" >&2
    superd plain 3
    tcpserver plain 3
    tcpsvd plain 3
    floor plain 3
    superd logged 3 $logged
    tcpserver logged 3 $logged
    superd denied 0 -v -x "$work/deny.cdb"
    tcpserver denied 0 -v -x "$work/deny.cdb"
    (while :; do :; done) &
    one=$!
    (while :; do :; done) &
    two=$!
    busy="$one $two"
    started=$busy
    superd busy 3 $logged
    tcpserver busy 3 $logged
    floor busy 3
    kill "$one" "$two"
    wait "$one" "$two" 2>/dev/null || :
    busy=
    started=
done

# Rules: the same text through both compilers, in turns.
entries "$RULES" >"$work/rules"
seconds() { # seconds COMMAND...: how long it took
    begin=$(date +%s%N)
    "$@" <"$work/rules" >/dev/null 2>&1
    awk -v nano=$(($(date +%s%N) - begin)) 'BEGIN { printf "%.2f\n", nano / 1e9 }'
}
for round in $(seq "$ROUNDS"); do
    echo "rules superd-rules $(seconds "$work/bin/superd-rules" "$work/ours.cdb" "$work/tmp")" >>"$work/results"
    echo "rules tcprules $(seconds "$peers/tcprules" "$work/theirs.cdb" "$work/tmp")" >>"$work/results"
done
cmp -s "$work/ours.cdb" "$work/theirs.cdb" || { echo "bench: the two rules databases differ" >&2; exit 1; }

echo "Connections: medians of $ROUNDS rounds, $TOTAL connections, 32 at a time."
echo
awk -v rules="$RULES" -f "$here/median.awk" -f "$here/connections.awk" "$work/results"
