#!/bin/sh
# login.sh SUPERD PEERS: complete POP3 logins a second (connect, USER, PASS, STAT, QUIT; 20 messages; 16 at a time)
# of the servers that pop3-servers.sh lists. run calls it.
#
# Each server has a Maildir of its own with the same messages. Servers take turns within a round; a figure is the
# median of the rounds. Before the clock starts, some logins go by: whoever keeps an index has made it, whoever
# starts processes ahead has started them. CPU is that of all processes of the server, by /proc.
set -eu
[ $# -eq 2 ] || { echo "usage: login.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
LOGINS=${LOGINS:-2000}
. "$here/common.sh"
. "$here/pop3-servers.sh"

compile mailbox pop3-login
for server in $servers; do
    house "$server"
    "$work/mailbox" "$work/$server/home/Maildir" 20 mixed >/dev/null
    settle "$server" "$work/$server/home"
done

for round in $(seq "$ROUNDS"); do
    echo "logins: round $round of $ROUNDS" >&2
    for server in $servers; do
        start "$server"
        "$work/pop3-login" "$address" 2110 bench secret 20 64 16 >/dev/null || fail "$server cannot be logged in to"
        before=$(cpu)
        result=$("$work/pop3-login" "$address" 2110 bench secret 20 "$LOGINS" 16) || fail "$server could not be measured"
        sleep 0.2 # the last ones end
        used=$(($(cpu) - before))
        stop
        case $result in
        *" 0") echo "login $server ${result% 0} $used" >>"$work/results" ;;
        *) fail "$server failed ${result##* } of $LOGINS logins" ;;
        esac
    done
done

echo "POP3 logins: medians of $ROUNDS rounds, $LOGINS logins, 16 at a time; superd is linked with $libc."
echo
awk -v part=login -v servers="$servers" -v logins="$LOGINS" -v libc=$libc -f "$here/median.awk" -f "$here/pop3.awk" "$work/results"
cat "$work/notes"
