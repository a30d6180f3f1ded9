#!/bin/sh
# bare.sh ROOT SOURCES PEERS SCRIPT: runs SCRIPT, a file below ROOT, on a Debian with nothing on it, made of this machine's own files.
#
# It is started in mount, process, network and host name spaces of its own (unshare), and so what it mounts and
# names ends with it, and nothing outside can be reached. ROOT becomes the root directory. Of the machine there are
# the programs, read-only: /usr (with an empty /usr/local), SOURCES as /srv/superd and PEERS under its own name.
# /etc has what a new Debian has, and its users alone; /var, /run, /home and /tmp are empty.
set -eu

root=$1 sources=$2 peers=$3 script=$4

fail() {
    echo "bare: $1" >&2
    exit 111
}

mount --make-rprivate / || fail "unable to make the mounts private"
for dir in etc/default etc/init.d var/log var/cache var/mail var/lib run home tmp proc dev root srv/superd usr/local usr; do
    mkdir -p "$root/$dir"
done
mkdir -p "$root/run/lock"
ln -s /run/lock "$root/var/lock"
ln -s /run "$root/var/run"
chmod 1777 "$root/tmp"
chmod 700 "$root/root"
mount --bind /usr "$root/usr"
mount -o remount,bind,ro "$root/usr"
mount -t tmpfs -o mode=755 none "$root/usr/local"
mkdir -p "$root/usr/local/sbin" "$root/usr/local/bin"
for dir in bin sbin lib lib64; do
    if [ -L /$dir ]; then
        cp -P /$dir "$root/$dir"
    elif [ -d /$dir ]; then
        mkdir -p "$root/$dir"
        mount --bind /$dir "$root/$dir"
        mount -o remount,bind,ro "$root/$dir"
    fi
done
mount --bind "$sources" "$root/srv/superd"
mount -o remount,bind,ro "$root/srv/superd"
mkdir -p "$root$peers"
mount --bind "$peers" "$root$peers"
mount -t proc none "$root/proc"
for node in null zero full random urandom tty; do
    : >"$root/dev/$node"
    mount --bind /dev/$node "$root/dev/$node"
done
ln -s /proc/self/fd "$root/dev/fd"

# What base-files, base-passwd, libc-bin, login, passwd and adduser bring along.
cp /usr/share/base-passwd/passwd.master "$root/etc/passwd"
cp /usr/share/base-passwd/group.master "$root/etc/group"
sed 's/:.*/:*:19000:0:99999:7:::/' "$root/etc/passwd" >"$root/etc/shadow"
sed 's/:.*/:*::/' "$root/etc/group" >"$root/etc/gshadow"
chmod 640 "$root/etc/shadow" "$root/etc/gshadow"
cp /usr/share/libc-bin/nsswitch.conf "$root/etc/nsswitch.conf"
for file in ld.so.cache ld.so.conf ld.so.conf.d alternatives pam.conf pam.d security login.defs adduser.conf deluser.conf \
    skel default/useradd shells debian_version; do
    if [ -e "/etc/$file" ]; then cp -RP "/etc/$file" "$root/etc/$file"; fi
done
echo mx.example.org >"$root/etc/hostname"
printf '127.0.0.1 localhost\n198.51.100.7 mx.example.org mx\n' >"$root/etc/hosts"
hostname mx
ip link set lo up || fail "unable to bring the loopback interface up"

cd "$root/srv/superd"
# shellcheck disable=SC2016 # the inner shell expands it
exec chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    LC_ALL=C "MAKEFLAGS=${MAKEFLAGS-}" sh -c 'cd /srv/superd && exec sh -eu "$1"' sh "$script"
