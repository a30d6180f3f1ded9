#!/bin/sh
# peers.sh DIR: puts the original programs below DIR, so that tests can run ours beside them.
#
# It installs nothing and changes nothing of the system: packages are taken from the machine's own
# Debian archive with apt's state, lists and cache below DIR, and unpacked with dpkg-deb. It needs
# no root. What the machine has already (a perl, a curl, a library) is not fetched a second time.
#
#   DIR/root      what was unpacked
#   DIR/bin       one entry a program: a link, or a wrapper that points it to its libraries
#                 (bin/dovecot CONFIG: Dovecot in the foreground; tests/kit/programs/dovecot.sh makes a CONFIG;
#                 bin/dovecot-imap CONFIG: its IMAP behind another login;
#                 bin/postfix CONFIG_DIRECTORY: Postfix in the foreground, see tests/kit/programs/postfix.sh;
#                 bin/postfix-sendmail CONFIG_DIRECTORY WORDS...: its sendmail)
#   DIR/MISSING   one line for each program that could not be had, with the reason; empty when all is there
#   DIR/stamp     what DIR was made from; while it fits, the next call has nothing to do
#
# The exit status is 0 also when programs are missing: whoever needs one looks into DIR/bin and says
# what it leaves out.
set -eu

[ $# -eq 1 ] || { echo "usage: peers.sh DIR" >&2; exit 100; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
support=$(cd "$(dirname "$0")/kit/programs" && pwd)
root=$dir/root
bin=$dir/bin
# Archive directories are made over at each release: a message must not depend on the user's language.
LC_ALL=C
export LC_ALL

packages="ucspi-tcp ucspi-unix mailfront cvm checkpw dovecot-core dovecot-pop3d dovecot-imapd dovecot-lmtpd fetchmail
getmail6 mpop libpam0g-dev swaks curl ipsvd mandoc tinycdb strace isync offlineimap3 python3-imaplib2 python3-distro mutt
postfix msmtp fail2ban git git-email libnet-ssleay-perl libio-socket-ssl-perl libauthen-sasl-perl"
packages=$(echo $packages)
# Debian lets nobody install Courier's IMAP server beside Dovecot's, so apt cannot plan both: these come with no
# more than what they name.
unplanned="courier-imap courier-authlib libcourier-unicode4 libgamin0 libidn12"
# What those depend on and the programs do not need in order to run where they are unpacked.
unneeded="adduser debianutils init-system-helpers libexttextcat-data libpam-modules libpam-modules-bin
libpam-runtime libsecret-common lsb-base openssl ssl-cert sysvinit-utils ucf cpio e2fsprogs logsave git-man"
# These must be below DIR even where the machine has them installed: a test compares with a known version.
programs="tcpserver tcprules tcprulescheck tcpclient rblsmtpd recordio fixcrio addcr delcr argv0
tcpsvd unixserver unixclient mailfront smtpfront-echo smtpfront-qmail pop3front-auth pop3front-maildir
imapfront-auth cvm-pwfile checkpw checkapoppw selectcheckpw dovecot fetchmail getmail getmail_fetch mpop
swaks curl mandoc cdb strace mbsync offlineimap mutt courier-imapd postfix smtp-source smtp-sink msmtp fail2ban-regex git"

say() { echo "peers: $*"; }

# Two runs at once (make -j, two terminals) would unpack over each other.
if command -v flock >/dev/null 2>&1; then
    exec 9>"$dir/lock"
    flock 9
fi

stamp="$(cat "$0" "$support"/dovecot_paths.c | cksum) $dir $packages $unplanned"
if [ -f "$dir/stamp" ] && [ "$(cat "$dir/stamp")" = "$stamp" ]; then
    say "all originals are already in $bin"
    exit 0
fi

missing_all() {
    : >"$dir/MISSING"
    for program in $programs; do echo "$program: $1" >>"$dir/MISSING"; done
    say "no originals to compare with: $1"
    exit 0
}

for tool in apt-get dpkg-deb; do
    command -v $tool >/dev/null 2>&1 || missing_all "this machine has no $tool (the originals come from Debian's archive)"
done
[ -r /var/lib/dpkg/status ] || missing_all "this machine has no list of installed Debian packages"

# apt with everything that it writes below DIR. Only the machine's Debian sources are taken, for a
# source of somebody else's that cannot be reached would hold up or fail the whole update.
rm -rf "$dir/apt" "$dir/new"
mkdir -p "$dir/apt/lists/partial" "$dir/apt/cache/archives/partial" "$dir/apt/sources" "$dir/new/debs" "$dir/new/root"
for source in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
    if [ -f "$source" ] && grep -q '/debian' "$source"; then cp "$source" "$dir/apt/sources/"; fi
done
apt() {
    lists=$1
    shift
    apt-get -qq -o Dir::State="$dir/apt" -o Dir::State::status=/var/lib/dpkg/status \
        -o Dir::State::lists="$lists" -o Dir::Cache="$dir/apt/cache" \
        -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts="$dir/apt/sources" \
        -o APT::Sandbox::User="" -o APT::Install-Recommends=false -o Debug::NoLocking=1 \
        -o Acquire::Retries=2 -o Acquire::http::Timeout=30 -o Acquire::https::Timeout=30 "$@"
}

# fetch LISTS: the wanted packages, installed or not, and what they need and the machine lacks.
fetch() {
    # shellcheck disable=SC2086 # the names are words on purpose
    needed=$(apt "$1" --print-uris -y install $packages 2>"$dir/apt/errors" |
        sed -n "s/^'[^']*' \([^_ ]*\)_.*/\1/p") || return 1
    names=
    for package in $packages $unplanned $needed; do
        case " $(echo $unneeded) " in *" $package "*) continue ;; esac
        case $package in
        # A program that the machine has is linked, not fetched: curl would bring thirty libraries along.
        curl | git) if command -v "$package" >/dev/null 2>&1; then continue; fi ;;
        # In Debian a package of its own, else a part of git.
        git-email) if [ -e "$(git --exec-path 2>/dev/null)/git-send-email" ]; then continue; fi ;;
        # A newer one than the machine's would be fetched for the sake of the version number alone.
        libpam0g) if ls /lib/*/libpam.so.0 >/dev/null 2>&1; then continue; fi ;;
        # What offlineimap imports and no Python has of itself.
        python3-imaplib2 | python3-distro) ;;
        # getmail and offlineimap are programs of the machine's Python.
        python3* | libpython3*) continue ;;
        esac
        names="$names $package"
    done
    # shellcheck disable=SC2086
    (cd "$dir/new/debs" && apt "$1" download $names >/dev/null 2>>"$dir/apt/errors")
}

# The system's own lists save the download of an index of tens of megabytes, where they are there
# and fresh enough that the archive still has what they name.
say "fetching $packages $unplanned"
if ! fetch /var/lib/apt/lists; then
    rm -f "$dir"/new/debs/*
    say "the machine's package lists are missing or old: fetching new ones below $dir"
    apt "$dir/apt/lists" update >/dev/null 2>"$dir/apt/update-errors" || true
    if ! fetch "$dir/apt/lists"; then
        # A release of Debian that lacks one of them still has the others.
        known() {
            for package in $1; do
                if apt "$dir/apt/lists" --print-uris download "$package" >/dev/null 2>&1; then printf ' %s' "$package"; fi
            done
        }
        packages=$(known "$packages")
        unplanned=$(known "$unplanned")
        rm -f "$dir"/new/debs/*
    fi
    if ! [ "$(ls "$dir/new/debs")" ] && { [ -z "$packages" ] || ! fetch "$dir/apt/lists"; }; then
        # An archive out of reach shows as an unknown package later on: the first complaint says why.
        reason=$(cat "$dir/apt/update-errors" "$dir/apt/errors" | sed -n 's/^[EW]: //p' | head -1)
        missing_all "the packages could not be fetched (${reason:-no reason given})"
    fi
fi

for deb in "$dir"/new/debs/*.deb; do dpkg-deb -x "$deb" "$dir/new/root"; done
rm -rf "$root" "$bin"
mv "$dir/new/root" "$root"
mkdir -p "$bin"

# All the directories with libraries that came along, for the wrappers.
libraries=$(find "$root" -name 'lib*.so*' -not -path '*/dovecot/*' -exec dirname {} \; | sort -u | tr '\n' ':')
libraries=${libraries%:}
modules=$(for d in "$root"/usr/share/perl/5.* "$root"/usr/share/perl5 "$root"/usr/lib/*/perl/5.* \
    "$root"/usr/lib/*/perl5 "$root"/usr/lib/*/perl5/5.* "$root"/usr/lib/*/perl-base; do
    if [ -d "$d" ]; then printf '%s:' "$d"; fi
done)
modules=${modules%:}

# The link for the linker leads to the machine's library, by a path that need not be there.
for link in "$root"/usr/lib/*/libpam.so; do
    [ -L "$link" ] || continue
    for library in "$root"/lib/*/libpam.so.0 "$root"/usr/lib/*/libpam.so.0 /lib/*/libpam.so.0 /usr/lib/*/libpam.so.0; do
        if [ -e "$library" ]; then ln -sf "$library" "$link"; break; fi
    done
done

# The interpreter itself and not a shim, for which a test's environment would be too small.
python=
for program in /usr/bin/python3 python3; do
    [ -n "$python" ] || python=$("$program" -c 'import sys; print(sys.executable)' 2>/dev/null || true)
done

wrap() { # wrap NAME SETTINGS COMMAND...: a program that must be told where its parts are
    name=$1
    settings=$2
    shift 2
    printf '#!/bin/sh\n%s exec %s "$@"\n' "$settings" "$*" >"$bin/$name"
    chmod 755 "$bin/$name"
}

: >"$dir/MISSING"
for program in $programs; do
    file=
    for place in "$root/usr/bin" "$root/usr/sbin" "$root/bin" "$root/usr/share/doc/checkpw/examples"; do
        if [ -z "$file" ] && [ -f "$place/$program" ]; then file=$place/$program; fi
    done
    # Its own name is that of ours.
    if [ "$program" = courier-imapd ] && [ -f "$root/usr/bin/imapd" ]; then file=$root/usr/bin/imapd; fi
    [ -n "$file" ] || file=$(command -v "$program" || true)
    if [ -z "$file" ]; then
        echo "$program: no package brought it" >>"$dir/MISSING"
        continue
    fi
    case $program in
    swaks)
        if [ -n "$modules" ]; then
            wrap swaks "LD_LIBRARY_PATH='$libraries' PERL5LIB='$modules'" "perl '$file'"
        else
            wrap swaks "" "perl '$file'"
        fi
        ;;
    selectcheckpw) # a script of the package's examples, which names the two others by their places
        sed "s|/usr/bin/check|$bin/check|" "$file" >"$bin/$program"
        chmod 755 "$bin/$program"
        ;;
    getmail* | offlineimap)
        if [ -n "$python" ]; then
            wrap "$program" "PYTHONPATH='$root/usr/lib/python3/dist-packages' PYTHONDONTWRITEBYTECODE=1" "'$python' '$file'"
        else
            echo "$program: this machine has no python3" >>"$dir/MISSING"
        fi
        ;;
    fail2ban-regex) # with its own settings, which name what it takes for an address
        if [ -n "$python" ]; then
            wrap "$program" "PYTHONPATH='$root/usr/lib/python3/dist-packages' PYTHONDONTWRITEBYTECODE=1" \
                "'$python' '$file' -c '$root/etc/fail2ban'"
        else
            echo "$program: this machine has no python3" >>"$dir/MISSING"
        fi
        ;;
    dovecot) # its master would look for its configuration reader in /usr/bin; the reader can start the master, too
        if ! [ -x "$root/usr/lib/dovecot/pop3" ] || ! [ -x "$root/usr/lib/dovecot/imap" ] ||
            ! [ -x "$root/usr/lib/dovecot/lmtp" ]; then
            echo "dovecot: it has come without POP3, IMAP or LMTP" >>"$dir/MISSING"
        elif cc -O2 -shared -fPIC -DROOT="\"$root\"" -o "$root/usr/lib/dovecot/paths.so" "$support/dovecot_paths.c" 2>/dev/null; then
            parts=$root/usr/lib/dovecot
            cat >"$bin/dovecot" <<WRAPPER
#!/bin/sh
# dovecot CONFIG: Dovecot in the foreground. CONFIG must import LD_LIBRARY_PATH and LD_PRELOAD, and set libexec_dir.
export LD_LIBRARY_PATH='$parts:$parts/modules/old-stats:$libraries' LD_PRELOAD='$parts/paths.so'
case \$1 in
--version) exec '$file' --version ;;
esac
exec '$root/usr/bin/doveconf' -f service=master -m master -p -c "\$1" -e '$file' -F -c "\$1"
WRAPPER
            # Its IMAP alone, behind somebody else's login.
            cat >"$bin/dovecot-imap" <<WRAPPER
#!/bin/sh
# dovecot-imap CONFIG: what serves a mailbox once the user is known by IMAPLOGINTAG, AUTHENTICATED, USER and HOME.
export LD_LIBRARY_PATH='$parts:$parts/modules/old-stats:$libraries' LD_PRELOAD='$parts/paths.so'
exec '$root/usr/bin/doveconf' -f service=imap -m imap -p -c "\$1" -e '$parts/imap'
WRAPPER
            chmod 755 "$bin/dovecot" "$bin/dovecot-imap"
        else
            echo "dovecot: there is no cc to compile what it needs outside of its place" >>"$dir/MISSING"
        fi
        ;;
    postfix) # its master process, for the script that starts it would check and mend the system's directories
        parts=$root/usr/lib/postfix
        cat >"$bin/postfix" <<WRAPPER
#!/bin/sh
# postfix CONFIG_DIRECTORY: Postfix in the foreground. Its main.cf must import LD_LIBRARY_PATH, and set daemon_directory.
export LD_LIBRARY_PATH='$parts:$libraries'
case \$1 in
--version) exec '$root/usr/sbin/postconf' -d -h mail_version ;;
esac
exec '$parts/sbin/master' -c "\$1"
WRAPPER
        cat >"$bin/postfix-sendmail" <<WRAPPER
#!/bin/sh
# postfix-sendmail CONFIG_DIRECTORY WORDS...: its sendmail. Who runs it must be in the group setgid_group.
export LD_LIBRARY_PATH='$parts:$libraries' MAIL_CONFIG="\$1"
shift
exec '$root/usr/sbin/sendmail' "\$@"
WRAPPER
        chmod 755 "$bin/postfix" "$bin/postfix-sendmail"
        ;;
    git) # send-email may have come alone, for a git of the machine's
        core=$root/usr/lib/git-core
        settings=
        if [ "$file" = "$root/usr/bin/git" ]; then
            settings="LD_LIBRARY_PATH='$libraries' GIT_EXEC_PATH='$core' GIT_TEMPLATE_DIR='$root/usr/share/git-core/templates'"
        fi
        if [ -e "$core/git-send-email" ]; then settings="$settings PATH='$core':\"\$PATH\""; fi
        if [ -n "$modules" ]; then settings="$settings PERL5LIB='$modules'"; fi
        if [ "$settings" ]; then wrap git "$settings" "'$file'"; else ln -s "$file" "$bin/git"; fi
        ;;
    *front*) # its protocols and plugins are loaded from a directory at run time; the named fronts find mailfront beside them
        wrap "$program" "LD_LIBRARY_PATH='$libraries' MODULE_PATH='$root/usr/lib/mailfront'" "'$file'"
        ;;
    *)
        if ldd "$file" 2>/dev/null | grep -q 'not found'; then
            wrap "$program" "LD_LIBRARY_PATH='$libraries'" "'$file'"
        else
            ln -s "$file" "$bin/$program"
        fi
        ;;
    esac
done

# Each is run once: a file that does not start here is as good as missing. What is looked for is
# a word that only the program itself can say.
check() { # check PROGRAM WORD ARGUMENTS...
    program=$1
    word=$2
    shift 2
    [ -e "$bin/$program" ] || return 0
    said=$(timeout 20 "$bin/$program" "$@" </dev/null 2>&1 | tr '\0' ' ')
    case $said in
    *"error while loading"* | *": not found"*) ;;
    *$word*) return 0 ;;
    esac
    echo "$program: does not run here ($(echo "$said" | head -1))" >>"$dir/MISSING"
    rm -f "$bin/$program"
}
for program in tcpserver tcprules tcprulescheck tcpclient rblsmtpd recordio fixcrio argv0; do
    check $program "$program: usage: $program"
done
for program in unixserver unixclient tcpsvd; do check $program "usage: "; done
# Filters without a message of their own: nothing in, nothing out.
for program in addcr delcr; do check $program ''; done
check mailfront 'backend name are missing'
check smtpfront-echo '220 '
check smtpfront-qmail 'qmail directory'
check pop3front-auth 'usage: pop3front-auth cvm'
check pop3front-maildir 'Mailbox not specified'
check imapfront-auth 'Usage: imapfront-auth imapd'
check cvm-pwfile 'cvm-pwfile: Error: ' cvm-local:
for program in checkpw checkapoppw; do check $program ''; done
# The configuration's language is another one from 2.4 on.
check dovecot '2.3.' --version
check fetchmail 'fetchmail release' --version
check getmail 'getmail 6' --version
check getmail_fetch 'Usage: getmail_fetch' --help
check mpop 'mpop version' --version
check mbsync 'isync 1.' --version
check offlineimap 'Usage: offlineimap' --help
check mutt 'Mutt 2.' -v
# Without a Maildir it says so.
check courier-imapd 'chdir ./Maildir'
check swaks 'TLS supported' --support
check curl 'imap' --version
check postfix '3.' --version
check smtp-source 'smtp-source' -h
check smtp-sink 'smtp-sink' -h
check msmtp 'msmtp version' --version
check fail2ban-regex 'fail2ban-regex 1.' --version
check git 'git version' --version
check mandoc 'usage: mandoc' -V
check strace 'strace -- version' -V
check cdb 'cdb' -h
[ -e "$(echo "$root"/usr/lib/*/libpam.so)" ] || echo "libpam.so: there is no PAM library to link with" >>"$dir/MISSING"
rm -rf "$dir/new" "$dir/apt"

if [ -s "$dir/MISSING" ]; then
    say "not to be had:"
    sed 's/^/    /' "$dir/MISSING"
else
    printf '%s\n' "$stamp" >"$dir/stamp"
    say "all originals are in $bin"
fi
