# servers.sh: how the parts that measure mail servers start and end them; they source it after common.sh.
#
# All is done by a user of the number $owner, who need not be there.

owner=54321
servers=
: >"$work/notes"
fail() {
    echo "bench: $*" >&2
    stop_all
    sleep 0.5
    cat "$work/${server:-}"/*.log "$work"/said.* 2>/dev/null | tail -n 10 >&2
    exit 1
}
note() { echo "$*" >>"$work/notes"; }

# have SERVER PROGRAM...: whether each of the programs is there; says which is not.
have() {
    server=$1
    shift
    for program in "$@"; do
        [ -x "$program" ] || { note "$server is not measured: there is no ${program##*/}."; return 1; }
    done
}

# launch NAME COMMAND...: runs it in the background; its id is in $pid. What it says is read, and the end of it kept in
# $work/said.NAME for the case that it fails.
launch() {
    mkfifo "$work/log.$turn.$1"
    tail -n 5 <"$work/log.$turn.$1" >"$work/said.$1" &
    readers="$readers $!"
    log=$work/log.$turn.$1
    shift
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" >"$log" 2>&1 </dev/null &
    pid=$!
    started="$started $pid"
}

# stop: ends what start has started, and waits for it.
stop() {
    # shellcheck disable=SC2086 # process ids
    kill $started
    for process in $started $readers; do wait "$process" 2>/dev/null || :; done
    started=
}

# cpu: milliseconds that the server and all its processes, ended ones too, have used so far.
cpu() {
    { family "$pid"; [ -z "$beside" ] || family "$beside"; } | while read -r process; do
        sed 's/ (.*) / /' "/proc/$process/stat" 2>/dev/null || :
    done | awk '{ used += $13 + $14 + $15 + $16 } END { print used * 10 }'
}

# holders PORT: those of the processes on descriptor 0 that hold a connection to that port of 127/8.
holders() {
    awk -v port=":$(printf %04X "$1")" '$4 == "01" && substr($2, 9) == port { print "socket:[" $10 "]" }' /proc/net/tcp >"$work/sockets"
    while read -r process; do
        if readlink "/proc/$process"/fd/* 2>/dev/null | grep -qxFf "$work/sockets"; then echo "$process"; fi
    done
}
