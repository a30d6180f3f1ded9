# smtp-servers.sh: the SMTP servers that smtp measures; it sources it after common.sh.
#
#   superd        superd -v -HRl0 -c 1000 -b 1000 -u 54321 -g 54321 ... smtpd, which hands over to maildir-queue
#   superd-lmtpd  the same under another number, with control/localqueue leading to superd unix:... lmtpd, as root
#   postfix       smtpd, cleanup, qmgr and virtual: see tests/kit/programs/postfix.sh
#   qmail         tcpserver ... qmail-smtpd, and qmail-start ./Maildir/, from a qmail whose compiled-in home is the
#                 folder $BENCH_QMAIL: a copy with an empty queue is mounted there, where nobody else sees it
#
# $SERVERS names those that are wanted; one that cannot be had is left out, with a line in $work/notes.
# All deliver to bench@here.test, whose Maildir belongs to the user of the number $owner.
#
# Nothing of a server's durability is changed. So that none waits for its own limits: Postfix has in_flow_delay = 0 and
# 200 processes a service, and delivers to one mailbox as often at once as clients send (its defaults are a pause of a
# second when mail comes in faster than it goes out, 100, and from 5 to 20); qmail has concurrencylocal 100 (10).

. "$here/servers.sh"

if [ "$(id -u)" -ne 0 ]; then
    echo "The SMTP part delivers as another user: it needs root and is left out."
    exit 0
fi

for server in ${SERVERS:-superd superd-lmtpd postfix qmail}; do
    case $server in
    superd) [ -e "$work/bin/smtpd" ] || fail "this superd has no smtpd" ;;
    superd-lmtpd) have superd-lmtpd "$work/bin/lmtpd" || continue ;;
    postfix) have postfix "$peers/postfix" || continue ;;
    qmail)
        if [ -z "${BENCH_QMAIL:-}" ]; then
            note "qmail is not measured: BENCH_QMAIL names no folder with one."
            continue
        fi
        BENCH_QMAIL=$(cd "$BENCH_QMAIL" && pwd)
        have qmail "$peers/tcpserver" "$BENCH_QMAIL/bin/qmail-smtpd" "$BENCH_QMAIL/bin/qmail-start" || continue
        if ! unshare -m true 2>/dev/null; then
            note "qmail is not measured: this machine allows no private /etc/passwd (unshare -m)."
            continue
        fi
        ;;
    *) fail "there is no SMTP server $server (superd, superd-lmtpd, postfix, qmail)" ;;
    esac
    servers="$servers $server"
done
[ -n "$servers" ] || { cat "$work/notes"; exit 0; }

# house SERVER: an empty Maildir $work/SERVER/home/Maildir, and what tells the server about it.
house() {
    dir=$work/$1
    mkdir -p "$dir/home/Maildir/new" "$dir/home/Maildir/cur" "$dir/home/Maildir/tmp"
    chown -R $owner:$owner "$dir/home"
    case $1 in
    superd*)
        mkdir -p "$dir/control"
        echo here.test >"$dir/control/me"
        echo "bench:x:$owner:$owner::$dir/home::" >"$dir/users"
        [ "$1" = superd ] || echo "lmtp:unix:$dir/lmtp" >"$dir/control/localqueue"
        ;;
    postfix)
        echo "bench@here.test $dir/home/Maildir/" >"$dir/mailboxes"
        cat >"$dir/more.cf" <<CONF
in_flow_delay = 0
default_process_limit = 200
initial_destination_concurrency = $at_once
virtual_destination_concurrency_limit = $at_once
message_size_limit = 0
CONF
        ;;
    qmail)
        { cat /etc/passwd && echo "bench:x:$owner:$owner::$dir/home:/bin/sh"; } >"$dir/passwd"
        cp -a "$BENCH_QMAIL" "$dir/qmail"
        rm -f "$dir/qmail/users/cdb" "$dir"/qmail/control/*
        for name in me locals rcpthosts; do echo here.test >"$dir/qmail/control/$name"; done
        echo 100 >"$dir/qmail/control/concurrencylocal"
        ;;
    esac
}

# with_qmail COMMAND...: with the copy of qmail in its place.
with_qmail() {
    name=$1
    shift
    # shellcheck disable=SC2016 # the words are the inner shell's
    launch "$name" unshare -m sh -c 'mount --bind "$1/passwd" /etc/passwd && mount --bind "$1/qmail" "$2" && PATH="$2/bin:$PATH" && shift 2 && exec "$@"' \
        sh "$dir" "$BENCH_QMAIL" "$@"
}

# start SERVER: runs it on $address port 2525; $pid is the server and $beside what it needs besides.
start() {
    new_address
    readers=
    beside=
    dir=$work/$1
    case $1 in
    superd)
        launch server SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$dir" "$superd" -v -HRl0 -c 1000 -b 1000 \
            -u $owner -g $owner "$address" 2525 smtpd
        ;;
    superd-lmtpd)
        rm -f "$dir/lmtp"
        launch lmtpd SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$dir" "$superd" -v -c 1000 -b 1000 \
            --mode 0666 "unix:$dir/lmtp" lmtpd
        beside=$pid
        launch server SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$dir" "$superd" -v -HRl0 -c 1000 -b 1000 \
            -u $((owner + 1)) -g $((owner + 1)) "$address" 2525 smtpd
        ;;
    postfix) launch server sh "$here/../tests/kit/programs/postfix.sh" "$peers/postfix" "$dir" "$address" $owner $owner ;;
    qmail)
        with_qmail delivery qmail-start ./Maildir/
        beside=$pid
        with_qmail server "$peers/tcpserver" -v -HRl0 -c 1000 -b 1000 -u $owner -g $owner "$address" 2525 qmail-smtpd
        ;;
    esac
}
