# common.sh: what the parts of the benchmark share; they source it with $superd, $peers and $here set.
# It makes $work, a temporary directory that ends with the part, as does every process in $started.

work=$(mktemp -d)
chmod 755 "$work"
: >"$work/results"
started= # what runs in the background and must end with us
stop_all() { for pid in $started; do kill "$pid" 2>/dev/null || :; done; }
trap 'stop_all; rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP

fail() { echo "bench: $*" >&2; exit 1; }

# compile NAME...: NAME.c of this folder to $work/NAME.
compile() {
    for name in "$@"; do cc -O2 -pthread -o "$work/$name" "$here/$name.c"; done
}

case $superd in
*-musl*) libc=musl ;;
*) libc=glibc ;;
esac
# What is measured is a copy, as `make install` installs one: the file that the linker has just written is slower to start
# processes from. In a folder of its own, for $work/superd is where the server of that name lives.
mkdir "$work/executable"
cp "$superd" "$work/executable/superd"
superd=$work/executable/superd
mkdir "$work/bin"
"$superd" --links "$work/bin" >/dev/null

turn=0
# A new address for each turn: no connection of the last one is in the way. The result is in $address.
new_address() {
    turn=$((turn + 1))
    address=127.$((20 + $$ % 200)).$((turn / 250)).$((turn % 250 + 1))
}

# family PID: the process and all its descendants.
family() {
    cat /proc/[0-9]*/stat 2>/dev/null | sed 's/ (.*) / /' | awk -v root="$1" '
        { parent[$1] = $3 }
        END {
            for (pid in parent) {
                for (up = pid; up != root && up in parent; up = parent[up]);
                if (up == root && root in parent)
                    print pid
            }
        }'
}
