#!/bin/sh
# imap-login.sh SUPERD PEERS: complete IMAP logins a second (connect, LOGIN, SELECT, LOGOUT; 20 messages; 16 at a time)
# of the servers that imap-servers.sh lists. run calls it.
#
# Done as login.sh does it for POP3.
set -eu
[ $# -eq 2 ] || { echo "usage: imap-login.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
LOGINS=${LOGINS:-2000}
. "$here/common.sh"
. "$here/imap-servers.sh"

compile mailbox imap-login
for server in $servers; do
    house "$server"
    "$work/mailbox" "$work/$server/home/Maildir" 20 mixed >/dev/null
    settle "$server" "$work/$server/home"
done

for round in $(seq "$ROUNDS"); do
    echo "IMAP logins: round $round of $ROUNDS" >&2
    for server in $servers; do
        start "$server"
        "$work/imap-login" "$address" 2143 bench secret 20 64 16 >/dev/null || fail "$server cannot be logged in to"
        before=$(cpu)
        result=$("$work/imap-login" "$address" 2143 bench secret 20 "$LOGINS" 16) || fail "$server could not be measured"
        sleep 0.2 # the last ones end
        used=$(($(cpu) - before))
        stop
        case $result in
        *" 0") echo "login $server ${result% 0} $used" >>"$work/results" ;;
        *) fail "$server failed ${result##* } of $LOGINS logins" ;;
        esac
    done
done

echo "IMAP logins with SELECT: medians of $ROUNDS rounds, $LOGINS logins, 16 at a time."
echo
awk -v part=login -v servers="$servers" -v logins="$LOGINS" -f "$here/median.awk" -f "$here/imap.awk" "$work/results"
cat "$work/notes"
