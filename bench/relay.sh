#!/bin/sh
# relay.sh SUPERD PEERS: what POP-before-SMTP costs, with 100,000 addresses that may relay. run calls it.
#
# Two pairs take turns within a round, and a figure is the median of the rounds:
#   logins        popup, checkpw, pop3d with relay-ctrl-allow in between and without it; the store has no database
#   connections   superd -v -x RULES with --relay and without it; the cheapest handler there is
# The store is in memory, as it is meant to be (in /run), where /dev/shm is there. Clients come from 250 addresses: the
# first login from each makes a file, the others touch it.
set -eu
[ $# -eq 2 ] || { echo "usage: relay.sh superd peers" >&2; exit 100; }
superd=$1
here=$(cd "$(dirname "$0")" && pwd)
ROUNDS=${ROUNDS:-5}
LOGINS=${LOGINS:-2000}
TOTAL=${TOTAL:-4000}
ADDRESSES=${ADDRESSES:-100000}
. "$here/common.sh"

if [ "$(id -u)" -ne 0 ]; then
    echo "The relay part changes to another user: it needs root and is left out."
    exit 0
fi
owner=54321
compile mailbox pop3-login load
cc -O2 -static -nostdlib -o "$work/hello" "$here/hello.c" 2>/dev/null || cc -O2 -static -o "$work/hello" "$here/hello.c"

store=$work/store
if [ -w /dev/shm ]; then
    store=$(mktemp -d /dev/shm/superd-bench.XXXXXX)
    trap 'stop_all; rm -rf "$work" "$store"' EXIT
fi
mkdir -p "$store"
chmod 755 "$store"
(cd "$store" && awk -v count="$ADDRESSES" 'BEGIN { for (n = 0; n < count; n++) printf "10.%d.%d.%d\n", n / 65536, n / 256 % 256, n % 256 }' | xargs touch)

mkdir -p "$work/home/Maildir/new" "$work/home/Maildir/cur" "$work/home/Maildir/tmp" "$work/superd"
"$work/mailbox" "$work/home/Maildir" 20 mixed >/dev/null
echo secret >"$work/home/Maildir/.password"
chmod 600 "$work/home/Maildir/.password"
chown -R $owner:$owner "$work/home"
echo "bench:x:$owner:$owner::$work/home:" >"$work/superd/users"
echo ':allow' | "$work/bin/superd-rules" "$work/rules.cdb" "$work/tmp" 2>/dev/null

# launch WORDS...: superd with these words, on $address; what it says is read and thrown away.
launch() {
    new_address
    mkfifo "$work/log.$turn"
    cat "$work/log.$turn" >/dev/null &
    reader=$!
    words=
    for word in "$@"; do
        [ "$word" != ADDRESS ] || word=$address
        words="$words $word"
    done
    # shellcheck disable=SC2086 # no word of ours has a blank
    env -i PATH=/usr/bin:/bin SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$work/superd" RELAY_CTRL_DIR="$store" \
        "$superd" -v -HRl0 -c 1000 -b 1000 $words >"$work/log.$turn" 2>&1 </dev/null &
    pid=$!
    started="$pid $reader"
}

end() {
    kill "$pid"
    wait "$pid" 2>/dev/null || :
    wait "$reader" 2>/dev/null || :
    started=
}

logins() { # logins NAME WORDS...: what stands between checker and pop3d
    name=$1
    shift
    launch ADDRESS 2110 popup bench.example checkpw "$@" pop3d Maildir
    "$work/pop3-login" "$address" 2110 bench secret 20 300 16 >/dev/null || fail "$name cannot be logged in to"
    result=$("$work/pop3-login" "$address" 2110 bench secret 20 "$LOGINS" 16) || fail "$name could not be measured"
    end
    case $result in
    *" 0") echo "login $name ${result%% *}" >>"$work/results" ;;
    *) fail "$name failed ${result##* } of $LOGINS logins" ;;
    esac
}

connections() { # connections NAME OPTIONS...
    name=$1
    shift
    launch -x "$work/rules.cdb" "$@" ADDRESS 2525 "$work/hello"
    result=$("$work/load" "$address" 2525 "$TOTAL" 32 3) || fail "$name could not be measured"
    end
    case $result in
    *" 0") echo "connection $name ${result%% *}" >>"$work/results" ;;
    *) fail "$name failed ${result##* } of $TOTAL connections" ;;
    esac
}

for round in $(seq "$ROUNDS"); do
    echo "relay: round $round of $ROUNDS" >&2
    logins without
    logins with relay-ctrl-allow
    connections without
    connections with --relay "$store"
done

echo "POP-before-SMTP: medians of $ROUNDS rounds; $ADDRESSES addresses in the store; $LOGINS logins, 16 at a time; $TOTAL connections, 32 at a time."
echo
awk -f "$here/median.awk" -f "$here/relay.awk" "$work/results"
