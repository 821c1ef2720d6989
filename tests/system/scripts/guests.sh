# SPDX-License-Identifier: MIT
# Functions for scripts in the control domain that create guests and follow their consoles, with vmctl or xl alike.
. /usr/lib/tessera/control.sh
: "${TOOL:=vmctl}" "${KERNEL:=micro}" "${PATIENCE:=1}"

# A pipe to oneself is a clock without processes: nothing ever comes, so a read only waits.
exec {clock_pipe}<> <(:)

# wait_for TENTHS COMMAND...: as in control.sh, times PATIENCE, and with nothing started while waiting but COMMAND.
wait_for() {
    local now rest end
    read -r now rest </proc/uptime
    end=$((${now%.*} + $1 * PATIENCE / 10 + 1))
    shift
    until "$@"; do
        read -r now rest </proc/uptime
        [ "${now%.*}" -lt "$end" ] || return 1
        read -r -t 0.1 -u "$clock_pipe"
    done
    return 0
}

# guest_config NAME ADDRESS [VCPUS [MEMORY]]: a disk of its own and a configuration file that xl and vmctl both read.
guest_config() {
    cp /root/disk.ext4 "/root/$1.ext4"
    {
        echo "name = \"$1\""
        echo "kernel = \"/root/vmlinuz-$KERNEL\""
        [ ! -e "/root/initrd-$KERNEL" ] || echo "ramdisk = \"/root/initrd-$KERNEL\""
        echo "extra = \"console=hvc0 quiet root=/dev/xvda rw hostname=$1 ip=$2::10.77.0.1:255.255.255.0:$1:eth0:off\""
        echo "vcpus = ${3:-1}"
        echo "memory = ${4:-$(default_memory)}"
        echo "on_reboot = \"restart\""
        echo "disk = [\"file:/root/$1.ext4,xvda,w\"]"
        echo "vif = [\"bridge=xenbr0,mac=00:16:3e:00:00:$(printf %02x "${2##*.}")\"]"
    } >"/root/$1.cfg"
}

default_memory() { if [ "$KERNEL" = micro ]; then echo 64; else echo 192; fi; }

guest_create() { $TOOL create "/root/$1.cfg"; }

# guest_domid NAME: the newest domain of that name, from the store.
guest_domid() {
    for domid in $(xenstore-list /local/domain | sort -rn); do
        if [ "$(xenstore-read "/local/domain/$domid/name" 2>/dev/null)" = "$1" ]; then
            echo "$domid"
            return
        fi
    done
    return 1
}

guest_tty() { domid=$(guest_domid "$1") && xenstore-read "/local/domain/$domid/console/tty" 2>/dev/null; }

# guest_watch NAME: collects the console of the guest's present domain in /run/NAME.console.
guest_watch() {
    wait_for 600 guest_tty "$1" >/dev/null || return 1
    cat "$(guest_tty "$1")" >>"/run/$1.console" 2>/dev/null &
    echo $! >"/run/$1.watcher"
}

# guest_console NAME COMMAND PATTERN: types COMMAND into the tool's own console client, which has a terminal as a user's
# would, and waits for a line with PATTERN.
# Two readers would share what the guest says, so the console is not watched from here on.
guest_console() {
    kill "$(cat "/run/$1.watcher")"
    mkfifo "/run/$1.keys"
    script --quiet --command "$TOOL console $1" /dev/null <"/run/$1.keys" >"/run/$1.said" 2>&1 &
    client=$!
    exec {keys}>"/run/$1.keys"
    printf '%s\n' "$2" >&"$keys"
    wait_for 300 grep -q "$3" "/run/$1.said"
    found=$?
    exec {keys}>&-
    kill "$client" 2>/dev/null
    plain_text <"/run/$1.said"
    return "$found"
}

# guest_mark NAME: later guest_expect calls look only at what comes from here on.
guest_mark() { wc -c <"/run/$1.console" 2>/dev/null >"/run/$1.mark" || echo 0 >"/run/$1.mark"; }

guest_raw() {
    read -r mark_at 2>/dev/null <"/run/$1.mark" || mark_at=0
    tail -c "+$((mark_at + 1))" "/run/$1.console" 2>/dev/null
}

# plain_text: takes carriage returns and terminal codes out.
plain_text() { sed -e $'s/\r//g' -e $'s/\033\\[[0-9;]*[A-Za-z]//g'; }

# guest_output NAME: what came since the mark.
guest_output() { guest_raw "$1" | plain_text; }

# guest_output_has NAME PATTERN: looks only when more has come since the last look.
guest_output_has() {
    mapfile -d '' console_text 2>/dev/null <"/run/$1.console" || return 1
    [ "${#console_text[0]}" != "$console_seen" ] || return 1
    console_seen=${#console_text[0]}
    guest_output "$1" | grep -q -e "$2"
}

# guest_expect NAME SECONDS PATTERN
guest_expect() {
    console_seen=-1
    wait_for "$(($2 * 10))" guest_output_has "$1" "$3" && return 0
    echo "the console of '$1' did not say '$3' within $(($2 * PATIENCE)) s; it ends in:"
    guest_output "$1" 2>/dev/null | tail -n 12
    return 1
}

guest_type() { printf '%s\n' "$2" >"$(guest_tty "$1")"; }

# guest_login NAME SECONDS: waits for the login and becomes root at a prompt.
guest_login() {
    guest_expect "$1" "$2" "$1 login:" || return 1
    guest_mark "$1"
    guest_type "$1" root
    guest_expect "$1" 30 '[#$] *$'
}

# guest_run NAME SECONDS COMMAND: types a command at the guest's prompt and prints what it says; its exit code is ours.
# The marks are put together by the guest's printf, so that the echo of what was typed is not taken for them.
guest_run() {
    guest_mark "$1"
    guest_type "$1" "printf '\\n<%s>\\n' in; $3; printf '\\n<%s %s>\\n' out \$?"
    guest_expect "$1" "$2" '^<out [0-9]*>' || return 124
    guest_output "$1" | sed -n -e '/^<in>$/,/^<out /p' | sed -e '/^<in>$/d' -e '/^<out [0-9]*>/d' -e '/^$/d'
    return "$(guest_output "$1" | sed -n 's/^<out \([0-9]*\)>.*/\1/p' | head -n 1)"
}

# guest_gone NAME: true when no domain of that name is left.
guest_gone() { ! guest_domid "$1" >/dev/null; }

# host_state: what must be the same before and after anything that failed or was undone.
host_state() {
    echo "free memory: $(xl info free_memory) MiB"
    echo "domains: $(xl list | tail -n +2 | awk '{print $1}' | tr '\n' ' ')"
    echo "store nodes: $(xenstore-ls -f / | grep -vc '^/local/domain/0/\|^/libxl\|^/tool')"
    echo "loop devices: $(losetup -a | wc -l)"
    echo "interfaces: $(ls /sys/class/net | tr '\n' ' ')"
}

# remembers the host's state, and later compares: devices of a dead guest may take a moment to go.
host_remember() { host_state >/run/before; }
host_as_before() { host_state >/run/after && cmp -s /run/before /run/after; }
host_settles() {
    wait_for 200 host_as_before && return 0
    diff /run/before /run/after
}
