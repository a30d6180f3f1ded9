#!/bin/sh
# postfix.sh POSTFIX DIR ADDRESS UID GID: writes DIR/etc and becomes Postfix's master process, in the foreground.
#
# POSTFIX is the wrapper that tests/peers.sh makes (PEERS/bin/postfix). It takes mail by SMTP on ADDRESS port 2525,
# and delivers into Maildirs that belong to UID and GID. DIR is an existing directory, open to all; in it
#
#   mailboxes      may be made by the caller, lines "ADDRESS MAILDIR/" with absolute paths: these addresses and no
#                  others are taken. Without it everything is taken, for whatever address, and ends in DIR/Maildir:
#                  a smarthost. Directories above a Maildir must belong to UID
#   relayhost      may be made by the caller, one line "[HOST]:PORT": everything goes on to there, and what is told to
#                  come again does so each second
#   cert.pem, key.pem
#                  may be there: STARTTLS is then offered, and port 2465 speaks TLS from the start
#   auth           may be there: a socket of Dovecot's auth service (postfix opens it as the user daemon). AUTH is
#                  then offered where the connection is encrypted, and nobody gets in without it
#   more.cf        may be there: it stands after all that is written here into main.cf
#   postfix.log    is the log
#   etc, queue, data
#                  belong to Postfix
#
# Its durability is that of its defaults. TERM to this process ends it and all its children. It must be started by root;
# its own user is daemon, for it refuses to run as nobody, and its group for the queue is mail.
set -eu

[ $# -eq 5 ] || { echo "usage: postfix.sh postfix dir address uid gid" >&2; exit 100; }
postfix=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
dir=$(cd "$2" && pwd)
address=$3
uid=$4
gid=$5

[ "$(id -u)" -eq 0 ] || { echo "postfix: must be started by root" >&2; exit 111; }
owner=daemon
group=mail
id -u $owner >/dev/null 2>&1 || { echo "postfix: this machine has no user $owner" >&2; exit 111; }
root=$(cd "$(dirname "$postfix")/../root" && pwd)

mkdir -p "$dir/etc" "$dir/queue" "$dir/data"
chown $owner "$dir/data"
cd "$dir/queue"
mkdir -p pid active bounce corrupt defer deferred flush hold incoming saved trace private maildrop public
chown $owner active bounce corrupt defer deferred flush hold incoming saved trace private
chown $owner:$group maildrop public
chmod 700 active bounce corrupt defer deferred flush hold incoming saved trace private
chmod 730 maildrop
chmod 710 public

cat >"$dir/etc/main.cf" <<CONF
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
command_directory = $root/usr/sbin
daemon_directory = $root/usr/lib/postfix/sbin
shlib_directory = $root/usr/lib/postfix
meta_directory = $dir/etc
mail_owner = $owner
setgid_group = $group
default_privs = nobody
import_environment = MAIL_CONFIG TZ LANG=C LD_LIBRARY_PATH
export_environment = TZ LANG=C LD_LIBRARY_PATH
maillog_file = $dir/postfix.log
maillog_file_prefixes = $dir
inet_interfaces = loopback-only
inet_protocols = ipv4
myhostname = postfix.test
mydestination =
mynetworks = 127.0.0.0/8
alias_maps =
local_recipient_maps =
virtual_mailbox_base = /
virtual_minimum_uid = 1
virtual_uid_maps = static:$uid
virtual_gid_maps = static:$gid
virtual_mailbox_limit = 0
CONF
if [ -f "$dir/mailboxes" ]; then
    sed -n 's/^[^ @]*@\([^ ]*\) .*/\1 here/p' "$dir/mailboxes" | sort -u >"$dir/etc/domains"
    echo "virtual_mailbox_domains = texthash:$dir/etc/domains
virtual_mailbox_maps = texthash:$dir/mailboxes
smtpd_relay_restrictions = reject_unauth_destination"
elif [ -f "$dir/relayhost" ]; then
    # Without a list of what waits for whom: nobody asks for it.
    echo "relay_domains = static:all
relay_transport = smtp
relayhost = $(cat "$dir/relayhost")
fast_flush_domains =
minimal_backoff_time = 1s
maximal_backoff_time = 2s
queue_run_delay = 1s"
else
    echo "virtual_mailbox_domains = static:here
virtual_mailbox_maps = static:$dir/Maildir/"
    mkdir -p "$dir/Maildir/new" "$dir/Maildir/cur" "$dir/Maildir/tmp"
    chown -R "$uid:$gid" "$dir/Maildir"
fi >>"$dir/etc/main.cf"
if [ -f "$dir/cert.pem" ]; then
    echo "smtpd_tls_cert_file = $dir/cert.pem
smtpd_tls_key_file = $dir/key.pem
smtpd_tls_security_level = may" >>"$dir/etc/main.cf"
fi
if [ -S "$dir/auth" ]; then
    echo "smtpd_sasl_auth_enable = yes
smtpd_sasl_type = dovecot
smtpd_sasl_path = $dir/auth
smtpd_tls_auth_only = yes
smtpd_recipient_restrictions = permit_sasl_authenticated, reject" >>"$dir/etc/main.cf"
fi
if [ -f "$dir/more.cf" ]; then cat "$dir/more.cf" >>"$dir/etc/main.cf"; fi

# Only addresses of an interface may stand in inet_interfaces, and not all of 127/8 are: the services name theirs.
# service type private unprivileged chroot wakeup processes command
cat >"$dir/etc/master.cf" <<CONF
$address:2525 inet n - n - - smtpd
pickup     unix  n - n 60 1 pickup
cleanup    unix  n - n - 0 cleanup
qmgr       unix  n - n 300 1 qmgr
tlsmgr     unix  - - n 1000? 1 tlsmgr
rewrite    unix  - - n - - trivial-rewrite
bounce     unix  - - n - 0 bounce
defer      unix  - - n - 0 bounce
trace      unix  - - n - 0 bounce
verify     unix  - - n - 1 verify
flush      unix  n - n 1000? 0 flush
proxymap   unix  - - n - - proxymap
smtp       unix  - - n - - smtp
relay      unix  - - n - - smtp
showq      unix  n - n - - showq
error      unix  - - n - - error
retry      unix  - - n - - error
discard    unix  - - n - - discard
virtual    unix  - n n - - virtual
anvil      unix  - - n - 1 anvil
scache     unix  - - n - 1 scache
postlog    unix-dgram n - n - 1 postlogd
CONF
if [ -f "$dir/cert.pem" ]; then
    echo "$address:2465 inet n - n - - smtpd -o smtpd_tls_wrappermode=yes" >>"$dir/etc/master.cf"
fi
# A file that is younger than two seconds is read again and again until it is older.
touch -t 200001010000 "$dir/etc"/*
exec "$postfix" "$dir/etc"
