#!/bin/sh
# memory.sh SUPERD PEERS: memory that a POP3 session has to itself after login, of the servers that pop3-servers.sh
# lists. run calls it.
#
# With 50 sessions open (logged in, STAT said), Private_Clean and Private_Dirty of smaps_rollup are added up over
# all processes of all sessions and divided by 50. For a server that starts processes for each connection these are
# all its descendants that were not there before. Dovecot's login processes serve all clients and are not counted;
# a session is the pop3 process that holds its connection.
#
# Then the same for POP3 and IMAP sessions of superd with each checker and each kind of password.
set -eu
[ $# -eq 2 ] || { echo "usage: memory.sh superd peers" >&2; exit 100; }
superd=$1
peers=$2
here=$(cd "$(dirname "$0")" && pwd)
SESSIONS=${SESSIONS:-50}
. "$here/common.sh"
. "$here/pop3-servers.sh"

compile mailbox pop3-login imap-login
mkfifo "$work/go" "$work/said"

# look CLIENT PORT: logs in $SESSIONS times to what runs as $pid, and adds up what the sessions have in $kilobytes;
# $processes is how many they are.
look() {
    "$work/$1" "$address" "$2" bench secret 20 4 4 >/dev/null || fail "$server cannot be logged in to"
    sleep 0.2
    family "$pid" | sort >"$work/before"
    "$work/$1" "$address" "$2" bench secret 20 0 "$SESSIONS" <"$work/go" >"$work/said" &
    client=$!
    ours=$started
    started="$started $client"
    exec 3>"$work/go" 4<"$work/said"
    read -r word count <&4 || word=
    [ "$word" = open ] && [ "$count" -eq "$SESSIONS" ] || fail "$server has not opened $SESSIONS sessions"
    family "$pid" | sort >"$work/now"
    if [ "$server" = dovecot ]; then
        holders "$2" <"$work/now" >"$work/processes"
    else
        comm -13 "$work/before" "$work/now" >"$work/processes"
    fi
    kilobytes=$(while read -r process; do cat "/proc/$process/smaps_rollup"; done <"$work/processes" |
        awk '/^Private_(Clean|Dirty):/ { sum += $2 } END { print sum + 0 }')
    processes=$(wc -l <"$work/processes")
    exec 3>&-
    cat <&4 >/dev/null
    exec 4<&-
    started=$ours
    wait "$client" || fail "$server ended sessions"
}

for server in $servers; do
    house "$server"
    "$work/mailbox" "$work/$server/home/Maildir" 20 mixed >/dev/null
    settle "$server" "$work/$server/home"
    start "$server"
    look pop3-login 2110
    stop
    echo "memory $server $kilobytes $processes" >>"$work/results"
done

# The word that crypt(5) begins a hash of that scheme with.
mark() {
    case $1 in yescrypt) echo '$y$' ;; sha512) echo '$6$' ;; bcrypt) echo '$2b$' ;; *) echo plain ;; esac
}

# front PROTOCOL CHECKER: runs superd for the virtual user bench.
front() {
    new_address
    readers=
    beside=
    case $1 in
    pop3) launch server SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$work/superd" "$superd" -v -HRl0 -c 1000 -b 1000 \
        "$address" 2110 popup bench.example "$2" pop3d Maildir ;;
    imap) launch server SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$work/superd" "$superd" -v -HRl0 -c 1000 -b 1000 \
        "$address" 2143 imapup bench.example "$2" imapd Maildir ;;
    esac
}

checkers=
case " $servers " in *" superd "*)
    server=superd
    house=$work/superd
    for checker in checkpassword checkpw selectcheckpw; do
        for scheme in yescrypt sha512 bcrypt plain; do
            if [ "$checker" = checkpassword ]; then
                rm -f "$house/users.secret"
                echo secret | SUPERD_HOME="$house" "$work/bin/superd-passwd" -u -s "$scheme" bench
            else
                echo secret | SUPERD_HOME="$house" "$work/bin/superd-passwd" -s "$scheme" bench
            fi
            which=$checker:$(mark "$scheme")
            checkers="$checkers $which"
            for protocol in pop3 imap; do
                front "$protocol" "$checker"
                case $protocol in pop3) look pop3-login 2110 ;; imap) look imap-login 2143 ;; esac
                stop
                echo "$protocol $which $kilobytes $processes" >>"$work/results"
            done
        done
    done
    ;;
esac

echo "Memory of a logged-in POP3 session, $SESSIONS open at once."
echo
awk -v part=memory -v servers="$servers" -v checkers="$checkers" -v sessions="$SESSIONS" -f "$here/median.awk" -f "$here/pop3.awk" "$work/results"
cat "$work/notes"
