# imap-servers.sh: the IMAP servers that imap-login and imap-mailbox measure; they source it after common.sh.
#
#   superd     superd -v -HRl0 -c 1000 -b 1000 ... imapup bench.example checkpw imapd Maildir, a virtual user
#   dovecot    in its high-performance mode: see tests/kit/programs/dovecot.sh
#
# All else is as in pop3-servers.sh, which this takes and changes.

SERVERS=${SERVERS:-superd dovecot}
. "$here/pop3-servers.sh"
if [ ! -e "$work/bin/imapd" ]; then
    case " $servers " in *" superd "*) fail "this superd has no imapd" ;; esac
fi

# start SERVER: runs it on $address port 2143; $pid is the server.
start() {
    new_address
    readers=
    beside=
    dir=$work/$1
    case $1 in
    superd)
        launch server SUPERD_LIBEXEC="$work/bin" SUPERD_HOME="$dir" "$superd" -v -HRl0 -c 1000 -b 1000 \
            "$address" 2143 imapup bench.example checkpw imapd Maildir
        ;;
    dovecot) launch server sh "$here/../tests/kit/programs/dovecot.sh" "$peers/dovecot" "$dir" "$address" ;;
    *) fail "there is no IMAP server $1 (superd, dovecot)" ;;
    esac
}
