# SPDX-License-Identifier: MIT
# Functions of the control domain's init; sourced, so that tests and an interactive shell can use them as well.

say() { echo "[tessera] $*"; }

uptime_seconds() { cut -d ' ' -f 1 /proc/uptime; }

mount_file_systems() {
    mount -t proc proc /proc
    mount -t sysfs sysfs /sys
    [ -e /dev/null ] || mount -t devtmpfs devtmpfs /dev
    [ -e /dev/fd ] || ln -s /proc/self/fd /dev/fd
    ln -sf /proc/self/fd/0 /dev/stdin
    ln -sf /proc/self/fd/1 /dev/stdout
    ln -sf /proc/self/fd/2 /dev/stderr
    mkdir -p /dev/pts /run /tmp
    mount -t devpts devpts /dev/pts
    mount -t tmpfs -o mode=755 tmpfs /run
    mkdir -p /run/xen /run/xenstored /run/lock /var/lib/xenstored /var/lib/xen /var/log/xen /tmp
    hostname control-domain
    ip link set lo up
}

parse_command_line() {
    opt_store= opt_run= opt_after=poweroff opt_services=all opt_root= store_name=none
    [ -x /usr/bin/tessera-store ] && opt_store=tessera-store
    for word in $(cat /proc/cmdline); do
        case "$word" in
        tessera.store=*) opt_store=${word#*=} ;;
        tessera.run=*) opt_run=${word#*=} ;;
        tessera.after=*) opt_after=${word#*=} ;;
        tessera.root=*) opt_root=${word#*=} ;;
        tessera.services=*) opt_services=${word#*=} ;;
        esac
    done
    : "${opt_store:=xenstored}"
}

# go_to_root: continues with the same init on the disk tessera.root=DEVICE, with this image's programs, script and guests laid over it.
go_to_root() {
    modprobe -a virtio_pci virtio_blk nvme ahci sd_mod ext4
    wait_for 300 test -b "$opt_root" && mount -t ext4 "$opt_root" /mnt || {
        say "root disk '$opt_root' cannot be mounted; going on without it"
        return
    }
    for program in /usr/bin/tessera-store /usr/bin/vmctl /usr/lib/tessera/guests.sh; do
        [ ! -e "$program" ] || cp "$program" "/mnt$program"
    done
    cp -r /root/. /mnt/root/
    umount /dev/pts /run /sys
    mount -o move /dev /mnt/dev
    umount /proc
    exec switch_root /mnt /init on-disk
}

load_modules() {
    modprobe -a xenfs xen-evtchn xen-gntdev xen-gntalloc xen-privcmd xen-blkback xen-netback loop bridge
    mount -t xenfs xenfs /proc/xen
}

# wait_for TENTHS COMMAND...: runs COMMAND every tenth of a second until it succeeds or the time is over.
wait_for() {
    read -r wait_now wait_rest </proc/uptime
    wait_end=$((${wait_now%.*} + $1 / 10 + 1))
    shift
    until "$@"; do
        read -r wait_now wait_rest </proc/uptime
        [ "${wait_now%.*}" -lt "$wait_end" ] || return 1
        usleep "${wait_step:-100000}"
    done
    return 0
}

# keep_store: the store daemon with its state on the tmpfs; started again when it was killed, as its systemd unit does.
# Local clients of a killed daemon lose their connection. The console daemon does not connect anew by itself.
keep_store() {
    while :; do
        tessera-store --foreground --state /run/tessera-store/state --metrics /run/tessera-store/metrics \
            --pidfile /run/xen/tessera-store.pid >>/var/log/xen/tessera-store.log 2>&1 &
        store_pid=$!
        [ "$store_code" = 0 ] || restart_console_daemon &
        wait "$store_pid"
        store_code=$?
        [ "$store_code" -gt 128 ] || return "$store_code"
    done
}

restart_console_daemon() {
    wait_step=10000 wait_for 300 store_is_ready && kill "$(cat /run/xen/xenconsoled.pid)" && start_console_daemon
}

# store_is_ready: the process id file is written when the store serves.
store_is_ready() { [ "$(cat /run/xen/tessera-store.pid)" = "$store_pid" ]; }

start_store() {
    case "$opt_store" in
    tessera-store) mkdir -p /run/tessera-store && store_code=0 keep_store & ;;
    xenstored | oxenstored) "$opt_store" --pid-file /run/xen/xenstored.pid ;;
    none) return 0 ;;
    *) say "unknown tessera.store=$opt_store (tessera-store, xenstored, oxenstored, none)"; return 1 ;;
    esac
    wait_step=10000 wait_for 300 test -S /run/xenstored/socket || {
        [ ! -f /var/log/xen/tessera-store.log ] || tail -n 20 /var/log/xen/tessera-store.log
        return 1
    }
    store_name=$opt_store
    /usr/lib/xen-4.17/bin/xen-init-dom0
}

start_console_daemon() { xenconsoled --pid-file=/run/xen/xenconsoled.pid; }

start_bridge() {
    ip link add xenbr0 type bridge
    ip address add 10.77.0.1/24 dev xenbr0
    ip link set xenbr0 up
}

start_guest_supervisor() {
    [ -x /usr/bin/vmctl ] || return 0
    keep_guest_supervisor >/var/log/xen/vmctl-supervise.log 2>&1 &
}

# keep_guest_supervisor: started again when it lost the store (exit code 8).
keep_guest_supervisor() {
    while :; do
        wait_for 300 test -S /run/xenstored/socket
        vmctl supervise --pidfile /run/xen/vmctl-supervise.pid
        [ $? = 8 ] || return
        usleep 100000
    done
}

# run_script PATH: the protocol that the test harness reads from the console.
run_script() {
    if [ ! -r "$1" ]; then
        say "script '$1' is not there"
        echo "@@tessera exit 127@@"
        return
    fi
    chmod +x "$1"
    echo "@@tessera start@@"
    (cd /root && exec bash "$1") </dev/null 2>&1
    echo "@@tessera exit $?@@"
}

# step NAME COMMAND...: runs a command between two marks with its exit code; for scripts handed over.
step() {
    echo "@@step $1@@"
    shift
    "$@" 2>&1
    step_code=$?
    echo "@@done $step_code@@"
    return $step_code
}

power_off() {
    sync
    poweroff -f
}
