# SPDX-License-Identifier: MIT
# Records what the store is asked while guests are created and ended; tests/model/store/transcripts/README.md says how to use it.
KERNEL=cloud TOOL=xl
. /usr/lib/tessera/guests.sh
load_modules
tessera-store --foreground --log /run/store.log --log-level debug --pidfile /run/xen/tessera-store.pid &
wait_for 100 test -S /run/xenstored/socket
# fresh_login: creates the guest and waits for its login
fresh_login() {
    step create guest_create one || exit 1
    rm -f /run/one.console /run/one.mark
    guest_watch one || exit 1
    step login guest_login one 240 || exit 1
}
section() { xenstore-control print "section $1" >/dev/null; }
section control-domain
/usr/lib/xen-4.17/bin/xen-init-dom0
start_console_daemon
start_bridge
guest_config one 10.77.0.11
section xl-create
step create guest_create one || exit 1
guest_watch one || exit 1
section guest-boots
step login guest_login one 240 || exit 1
section xl-destroy
step destroy xl destroy one
wait_for 100 guest_gone one
section xl-shutdown
fresh_login
step shutdown xl shutdown one
wait_for 600 guest_gone one
TOOL=vmctl
section vmctl
start_guest_supervisor
fresh_login
step destroy vmctl destroy one
wait_for 100 guest_gone one
section end
cat /run/store.log
