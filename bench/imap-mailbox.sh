#!/bin/sh
# imap-mailbox.sh SUPERD PEERS: IMAP on one large mailbox, of superd and Dovecot. run calls it.
#
# MAILBOX messages (100,000 are 520 MB) are made once and read before anything is measured, so that the page cache is
# warm. In each round each server has its turn, on a copy of its own (of names: the messages are links to the same
# files). First without any file of a server in the Maildir: one session with all commands of the table in its order.
# Then, with what the server left, a new session with the same commands. A figure is the median of the rounds.
#
# Memory is Private_Dirty and Anonymous of /proc/PID/smaps_rollup, of the processes that hold the session: with the
# mailbox just selected, and after all commands.
set -eu
[ $# -eq 2 ] || { echo "usage: imap-mailbox.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
MAILBOX=${MAILBOX:-100000}
ROUNDS=${ROUNDS:-5}
. "$here/common.sh"
needed=$((MAILBOX * 8 * 5 / 4))
free=$(df -Pk "$work" | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$needed" ] || fail "$MAILBOX messages need $needed kB in ${TMPDIR:-/tmp}, and $free are free (MAILBOX=, TMPDIR=)"
. "$here/imap-servers.sh"

compile mailbox mailbox-floor imap-mailbox
mkfifo "$work/go" "$work/said"
some=$((MAILBOX / 10))

# What a client lists of a header (Thunderbird, K-9 and webmail ask for about these).
fields="DATE FROM TO CC SUBJECT MESSAGE-ID REFERENCES IN-REPLY-TO CONTENT-TYPE"

# The commands, each behind its name in the table.
commands() {
    cat <<COMMANDS
select SELECT INBOX
flags UID FETCH 1:* (FLAGS)
sizes UID FETCH 1:* (FLAGS RFC822.SIZE INTERNALDATE)
fields UID FETCH 1:* (UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS ($fields)])
envelope UID FETCH 1:* (ENVELOPE)
structure UID FETCH 1:$some (BODYSTRUCTURE)
subject UID SEARCH SUBJECT zz
since UID SEARCH SINCE 1-Jan-2018 LARGER 20000
body UID SEARCH BODY qwertyzx
sort UID SORT (REVERSE DATE) UTF-8 ALL
thread UID THREAD REFERENCES UTF-8 ALL
bodies UID FETCH 1:$((some / 5)) (BODY.PEEK[])
store UID STORE 1:$some +FLAGS.SILENT (\\Flagged)
COMMANDS
}

# processes SERVER: the processes of the session: those of superd that were not there before it; Dovecot's imap process
# with the connection.
processes() {
    family "$pid" | sort >"$work/now"
    if [ "$1" = superd ]; then comm -13 "$work/before" "$work/now"; else holders 2143 <"$work/now"; fi
}

# memory SERVER: kB of Private_Dirty and of Anonymous.
memory() {
    processes "$1" | while read -r process; do cat "/proc/$process/smaps_rollup" 2>/dev/null || :; done |
        awk '/^Private_Dirty:/ { dirty += $2 } /^Anonymous:/ { anonymous += $2 } END { print dirty + 0, anonymous + 0 }'
}

# ask KIND SERVER COMMAND...: one command, noted as "KIND SERVER milliseconds answer octets".
ask() {
    kind=$1
    server=$2
    shift 2
    printf '%s\n' "$*" >&3
    read -r figures <&4 || fail "$server could not be measured at $*"
    echo "$kind $server $figures" >>"$work/results"
}

# begin: opens a session; descriptor 3 is to the client, 4 from it.
begin() {
    "$work/imap-mailbox" "$address" 2143 bench secret <"$work/go" >"$work/said" &
    client=$!
    ours=$started
    started="$started $client"
    exec 3>"$work/go" 4<"$work/said"
    read -r figures <&4 || fail "$1 cannot be logged in to"
    echo "$2-connect $1 $figures" >>"$work/results"
}

end() {
    exec 3>&-
    cat <&4 >/dev/null
    exec 4<&-
    started=$ours
    wait "$client" || fail "$1 has not ended its session"
}

# tidy MAILDIR: removes all that is neither mail nor the password.
tidy() {
    find "$1" -mindepth 1 -maxdepth 1 ! -name new ! -name cur ! -name tmp ! -name .password -exec rm -r {} +
}

# session SERVER KIND: all commands, in a new session.
session() {
    # What is there of itself is none of the session's.
    family "$pid" | sort >"$work/before"
    begin "$1" "$2"
    commands >"$work/commands"
    while read -r name command; do
        ask "$2-$name" "$1" "$command"
        if [ "$name" = select ]; then echo "$2-memory $1 $(memory "$1")" >>"$work/results"; fi
    done <"$work/commands"
    if [ "$2" = warm ]; then
        ask warm-change "$1" "UID STORE 1:$some +FLAGS.SILENT (\\Answered)"
        ask warm-unselect "$1" UNSELECT
        ask warm-again "$1" "SELECT INBOX"
    fi
    echo "$2-after $1 $(memory "$1")" >>"$work/results"
    end "$1"
}

echo "imap-mailbox: making $MAILBOX messages" >&2
mkdir "$work/master"
made=$("$work/mailbox" "$work/master/Maildir" "$MAILBOX" mixed)
for server in $servers; do settle "$server" "$work/master"; done
sync
for number in 1 "$(nproc)"; do
    figures=$("$work/mailbox-floor" "$work/master/Maildir" "$number") || fail "the floor could not be measured"
    echo "floor $number $figures" >>"$work/results"
    [ "$(nproc)" -gt 1 ] || break
done
for round in $(seq "$ROUNDS"); do
    echo "imap-mailbox: round $round of $ROUNDS" >&2
    for server in $servers; do
        rm -rf "$work/$server/home"
        mkdir -p "$work/$server"
        cp -al "$work/master" "$work/$server/home"
        settle "$server" "$work/$server/home"
        start "$server"
        # It is up, with all that it starts ahead, when somebody has been served; that leaves nothing in the Maildir.
        begin "$server" first
        end "$server"
        tidy "$work/$server/home/Maildir"
        sleep 0.5
        session "$server" cold
        sleep 0.5
        session "$server" warm
        stop
        rm -rf "$work/$server/home"
    done
done
# shellcheck disable=SC2086 # three numbers
set -- $made
echo "A large mailbox by IMAP, page cache warm: medians of $ROUNDS rounds."
echo
awk -v part=mailbox -v servers="$servers" -v messages="$MAILBOX" -v megabytes=$(($3 / 1000000)) -v some=$some \
    -v threads="$(nproc)" -f "$here/median.awk" -f "$here/imap.awk" "$work/results"
cat "$work/notes"
