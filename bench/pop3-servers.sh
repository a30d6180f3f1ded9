# pop3-servers.sh: the POP3 servers that login, memory and mailbox measure; they source it after common.sh.
#
#   superd     superd -v -HRl0 -c 1000 -b 1000 ... popup bench.example checkpw pop3d Maildir, a virtual user
#   dovecot    in its high-performance mode: see tests/kit/programs/dovecot.sh
#   mailfront  tcpserver ... pop3front-auth pop3front-maildir Maildir; cvm-pwfile answers on a UNIX socket
#   c-chain    tcpserver ... qmail-popup bench.example checkpw qmail-pop3d Maildir, from the folder
#              $BENCH_C_CHAIN (checkpw from $peers where it is not there), with a private /etc/passwd
#
# $SERVERS names those that are wanted; one that cannot be had is left out, with a line in $work/notes.
# All is done by the user of the number $owner, whose password is plain text for each of them.

. "$here/servers.sh"
root=$(cd "$peers/.." && pwd)/root

if [ "$(id -u)" -ne 0 ]; then
    echo "The POP3 and IMAP parts change to another user: they need root and are left out."
    exit 0
fi

for server in ${SERVERS:-superd dovecot mailfront c-chain}; do
    case $server in
    superd) [ -e "$work/bin/popup" ] || fail "this superd has no popup" ;;
    dovecot) have dovecot "$peers/dovecot" || continue ;;
    mailfront)
        have mailfront "$peers/tcpserver" "$peers/pop3front-auth" "$peers/pop3front-maildir" "$peers/cvm-pwfile" || continue
        ;;
    c-chain)
        if [ -z "${BENCH_C_CHAIN:-}" ]; then
            note "The C originals are not measured: BENCH_C_CHAIN names no folder with qmail-popup and qmail-pop3d."
            continue
        fi
        # checkpw changes the directory: names below the present one would lead nowhere after it.
        BENCH_C_CHAIN=$(cd "$BENCH_C_CHAIN" && pwd)
        c_checkpw=$BENCH_C_CHAIN/checkpw
        [ -x "$c_checkpw" ] || c_checkpw=$peers/checkpw
        have c-chain "$peers/tcpserver" "$BENCH_C_CHAIN/qmail-popup" "$BENCH_C_CHAIN/qmail-pop3d" "$c_checkpw" || continue
        if ! unshare -m true 2>/dev/null; then
            note "c-chain is not measured: this machine allows no private /etc/passwd (unshare -m)."
            continue
        fi
        ;;
    *) fail "there is no server $server (superd, dovecot, mailfront, c-chain)" ;;
    esac
    servers="$servers $server"
done

if [ -z "$servers" ]; then
    cat "$work/notes"
    exit 0
fi

# house SERVER: a home $work/SERVER/home with an empty Maildir, for the user bench of that server.
house() {
    mkdir -p "$work/$1/home/Maildir/new" "$work/$1/home/Maildir/cur" "$work/$1/home/Maildir/tmp"
}

# settle SERVER HOME: tells the server about the user bench with that home, which becomes the user's own.
settle() {
    dir=$work/$1
    mkdir -p "$dir"
    echo secret >"$2/Maildir/.password"
    chmod 600 "$2/Maildir/.password"
    chown -R $owner:$owner "$2"
    case $1 in
    superd) echo "bench:x:$owner:$owner::$2:" >"$dir/users" ;;
    dovecot) echo "bench:{PLAIN}secret:$owner:$owner::$2::" >"$dir/users" ;;
    mailfront) echo "bench:secret:$owner:$owner::$2:" >"$dir/users" ;;
    c-chain) { cat /etc/passwd && echo "bench:x:$owner:$owner::$2:/bin/sh"; } >"$dir/passwd" ;;
    esac
}

# start SERVER: runs it on $address port 2110; $pid is the server and $beside what it needs besides.
start() {
    new_address
    readers=
    beside=
    dir=$work/$1
    case $1 in
    superd)
        launch server SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$dir" "$superd" -v -HRl0 -c 1000 -b 1000 \
            "$address" 2110 popup bench.example checkpw pop3d Maildir
        ;;
    dovecot) launch server sh "$here/../tests/kit/programs/dovecot.sh" "$peers/dovecot" "$dir" "$address" ;;
    mailfront)
        libraries=$(sed -n "s/.*LD_LIBRARY_PATH='\([^']*\)'.*/\1/p" "$peers/pop3front-auth")
        launch cvm LD_LIBRARY_PATH="$libraries" CVM_PWFILE_PATH="$dir/users" "$root/usr/bin/cvm-pwfile" "cvm-local:$dir/socket"
        beside=$pid
        for wait in 1 2 3 4 5 6 7 8 9 10; do [ -S "$dir/socket" ] || sleep 0.1; done
        launch server LD_LIBRARY_PATH="$libraries" MODULE_PATH="$root/usr/lib/mailfront" \
            "$peers/tcpserver" -v -HRl0 -c 1000 -b 1000 "$address" 2110 \
            "$root/usr/sbin/pop3front-auth" "cvm-local:$dir/socket" "$root/usr/sbin/pop3front-maildir" Maildir
        ;;
    c-chain)
        # shellcheck disable=SC2016 # the words are the inner shell's
        launch server unshare -m sh -c 'mount --bind "$1" /etc/passwd && shift && exec "$@"' sh "$dir/passwd" \
            "$peers/tcpserver" -v -HRl0 -c 1000 -b 1000 "$address" 2110 \
            "$BENCH_C_CHAIN/qmail-popup" bench.example "$c_checkpw" "$BENCH_C_CHAIN/qmail-pop3d" Maildir
        ;;
    esac
}
