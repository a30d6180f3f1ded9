#!/bin/sh
# dovecot.sh DOVECOT DIR ADDRESS: writes DIR/dovecot.conf and becomes Dovecot's master process, in the foreground.
#
# DOVECOT is the wrapper that tests/peers.sh makes (PEERS/bin/dovecot). It serves POP3 on ADDRESS port 2110
# and IMAP on port 2143, without TLS, plaintext logins allowed, mail in ~/Maildir. DIR is an existing
# directory, open to all (its login processes are nobody); in it
#
#   users          is made by the caller: name:{PLAIN}password:uid:gid::home::
#   more.conf      may be there: it is read after all that is written here
#   dovecot.log    is the log
#   run, state     belong to Dovecot
#
# It runs in what its manual calls high-performance mode (LoginProcess.txt): a login process serves many
# clients, and so does each of the processes after login, started before they are needed.
#
# TERM to this process ends it and all its children. It must be started by root.
set -eu

[ $# -eq 3 ] || { echo "usage: dovecot.sh dovecot dir address" >&2; exit 100; }
dovecot=$1
dir=$2
address=$3

[ "$(id -u)" -eq 0 ] || { echo "dovecot: must be started by root" >&2; exit 111; }
user=nobody
group=$(id -gn $user 2>/dev/null) || { echo "dovecot: this machine has no user $user" >&2; exit 111; }
root=$(cd "$(dirname "$dovecot")/../root" && pwd)
processes=$(nproc)
[ "$processes" -ge 2 ] || processes=2

cat >"$dir/dovecot.conf" <<CONF
base_dir = $dir/run
state_dir = $dir/state
libexec_dir = $root/usr/lib/dovecot
mail_plugin_dir = $root/usr/lib/dovecot/modules
login_plugin_dir = $root/usr/lib/dovecot/modules/login
import_environment = LD_LIBRARY_PATH LD_PRELOAD
log_path = $dir/dovecot.log
default_internal_user = $user
default_internal_group = $group
default_login_user = $user
first_valid_uid = 1
first_valid_gid = 1

listen = $address
protocols = pop3 imap
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
mail_max_userip_connections = 0
passdb {
  driver = passwd-file
  args = scheme=PLAIN username_format=%u $dir/users
}
userdb {
  driver = passwd-file
  args = username_format=%u $dir/users
}

default_client_limit = 4000
service pop3-login {
  chroot =
  service_count = 0
  client_limit = 1000
  process_min_avail = $processes
  process_limit = $processes
  inet_listener pop3 {
    port = 2110
  }
}
service imap-login {
  chroot =
  service_count = 0
  client_limit = 1000
  process_min_avail = $processes
  process_limit = $processes
  inet_listener imap {
    port = 2143
  }
}
service pop3 {
  service_count = 1000
  process_min_avail = 16
  process_limit = 1000
}
service imap {
  service_count = 1000
  process_min_avail = 16
  process_limit = 1000
}
service anvil {
  chroot =
}
!include_try $dir/more.conf
CONF
exec "$dovecot" "$dir/dovecot.conf"
