# SPDX-License-Identifier: MIT
# What the demonstration does in the control domain; tests/system/demo.py tells the story from the step marks.
DEMO=all
. /usr/lib/tessera/guests.sh
failed=0
attempt() { step "$@" || failed=1; }

host_summary() { if [ "$TOOL" = xl ]; then xl info | grep -E '^(xen_version|nr_cpus|total_memory|free_memory)'; else vmctl host info; fi; }
console_to_prompt() { guest_login one 30 && tail -n 12 /run/one.console | plain_text && echo; }
reboot_guest() {
    old=$(guest_domid one)
    $TOOL reboot one || return 1
    reborn() { new=$(guest_domid one) && [ "$new" != "$old" ]; }
    wait_for 600 reborn || return 1
    : >/run/one.console
    guest_mark one
    guest_watch one && guest_login one 120
}
leave() {
    for name in one two; do $TOOL shutdown "$name" || return 1; done
    for name in one two; do wait_for 600 guest_gone "$name" || return 1; done
}

guest_config one 10.77.0.11
guest_config two 10.77.0.12
attempt host host_summary
attempt create-one guest_create one
attempt create-two guest_create two
guest_watch one
guest_watch two
attempt login-one guest_expect one 120 'one login:'
attempt login-two guest_expect two 120 'two login:'
if [ "$DEMO" = all ]; then
    attempt list "$TOOL" list
    attempt console console_to_prompt
    attempt write guest_run one 30 'echo "written before the reboot" >/root/note; sync; cat /root/note'
    attempt reboot reboot_guest
    attempt read guest_run one 30 'cat /root/note; echo "boots of this disk: $(cat /var/boots)"'
    attempt ping guest_run one 30 'ping -c 3 10.77.0.12'
    attempt shutdown leave
    attempt end "$TOOL" list
fi
exit $failed
