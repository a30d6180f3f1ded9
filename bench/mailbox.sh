#!/bin/sh
# mailbox.sh SUPERD PEERS: POP3 on one large Maildir, of superd and Dovecot, beside the floor that mailbox-floor.c
# measures. run calls it.
#
# MAILBOX messages (100,000 are 520 MB) are made once and read before anything is measured, so that the page cache is
# warm. In each round each server has its turn: first without any file of a server in the Maildir, one login and
# STAT; then with what the server left, one session of login, STAT, LIST, UIDL, and RETR of the first 2,000. A figure is
# the median of the rounds. Memory is the greatest VmHWM of the server's processes for the connection, before QUIT.
#
# SMALL=1 takes messages of 300 bytes, and measures a tenth of them too: the cost of a message must stay the same.
set -eu
[ $# -eq 2 ] || { echo "usage: mailbox.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
MAILBOX=${MAILBOX:-100000}
SMALL=${SMALL:-}
ROUNDS=${ROUNDS:-5}
SERVERS=${SERVERS:-superd dovecot}
. "$here/common.sh"

# On the disk each file takes whole blocks.
kind=mixed blocks=7
[ -z "$SMALL" ] || kind=small blocks=4
needed=$((MAILBOX * blocks * 5 / 4))
free=$(df -Pk "$work" | awk 'NR == 2 { print $4 }')
inodes=$(df -Pi "$work" | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$needed" ] || fail "$MAILBOX messages need $needed kB in ${TMPDIR:-/tmp}, and $free are free (MAILBOX=, TMPDIR=)"
case $inodes in
*[!0-9]* | '') ;;
*) [ "$inodes" -eq 0 ] || [ "$inodes" -gt $((MAILBOX * 5 / 4)) ] || fail "$MAILBOX messages need as many inodes in ${TMPDIR:-/tmp}, and $inodes are free" ;;
esac
. "$here/pop3-servers.sh"

compile mailbox mailbox-floor pop3-mailbox
mkfifo "$work/go" "$work/said"
threads=$(nproc)

# session KIND SERVER RETRIEVE: one session with $server, noted as "KIND SERVER figures memory".
session() {
    "$work/pop3-mailbox" "$address" 2110 bench secret "$count" "$3" <"$work/go" >"$work/said" &
    client=$!
    ours=$started
    started="$started $client"
    exec 3>"$work/go" 4<"$work/said"
    figures=
    read -r figures <&4 || fail "$2 could not be measured"
    memory=$(for process in $(family "$pid"); do
        # The server itself is none of the connection's.
        [ "$process" = "$pid" ] || cat "/proc/$process/status" 2>/dev/null || :
    done | awk '/^Name:/ { name = $2 } /^VmHWM:/ && (server != "dovecot" || name == "pop3") && $2 > most { most = $2 } END { printf "%.1f", most / 1024 }' server="$2")
    exec 3>&- 4<&-
    started=$ours
    wait "$client" || fail "$2 has not ended its session"
    set -- "$1" "$2" "$3" $figures
    if [ "$3" = 0 ]; then
        echo "$1 $2 $4 $8 $memory" >>"$work/results"
    else
        echo "$1 $2 $figures $memory" >>"$work/results"
    fi
}

# tidy: removes from the Maildir all that is neither mail nor the password.
tidy() {
    find "$work/home/Maildir" -mindepth 1 -maxdepth 1 ! -name new ! -name cur ! -name tmp ! -name .password -exec rm -r {} +
}

# measure COUNT: makes a mailbox and a table.
measure() {
    count=$1
    retrieve=2000
    [ "$count" -ge $retrieve ] || retrieve=$count
    rm -rf "$work/home"
    : >"$work/results"
    echo "mailbox: making $count messages" >&2
    mkdir "$work/home"
    made=$("$work/mailbox" "$work/home/Maildir" "$count" "$kind")
    for server in $servers; do settle "$server" "$work/home"; done
    sync
    for number in 1 "$threads"; do
        figures=$("$work/mailbox-floor" "$work/home/Maildir" "$number") || fail "the floor could not be measured"
        echo "floor $number $figures" >>"$work/results"
        [ "$threads" -gt 1 ] || break
    done
    for round in $(seq "$ROUNDS"); do
        echo "mailbox: round $round of $ROUNDS" >&2
        for server in $servers; do
            tidy
            start "$server"
            session fresh "$server" 0
            session kept "$server" "$retrieve"
            stop
            tidy
        done
    done
    # shellcheck disable=SC2086 # three numbers
    set -- $made
    awk -v part=mailbox -v servers="$servers" -v messages="$count" -v octets="$2" -v megabytes=$(($3 / 1000000)) \
        -v retrieve=$retrieve -v threads="$threads" -f "$here/median.awk" -f "$here/pop3.awk" "$work/results"
}

# each KIND SERVER: the median of the time of login and STAT, for a message, in microseconds.
each() {
    awk -v key="$1 $2" '$1 " " $2 == key { print $3 }' "$work/results" | sort -n |
        awk -v count="$count" '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] * 1000 / count }'
}

echo "A large Maildir by POP3, page cache warm: medians of $ROUNDS rounds."
echo
if [ "$SMALL" ]; then
    measure $((MAILBOX / 10))
    case " $servers " in *" superd "*) fresh=$(each fresh superd) kept=$(each kept superd) ;; esac
    measure "$MAILBOX"
    case " $servers " in
    *" superd "*)
        echo "| superd, login and STAT a message | us, a tenth | us, all | ratio |"
        echo "|---|---|---|---|"
        echo "no-cache $fresh $(each fresh superd)
cache $kept $(each kept superd)" | awk '{ printf "| %s | %.2f | %.2f | %.2f |\n", ($1 == "cache" ? "with cache" : "no cache"), $2, $3, $3 / $2 }'
        echo
        ;;
    esac
else
    measure "$MAILBOX"
fi
cat "$work/notes"
