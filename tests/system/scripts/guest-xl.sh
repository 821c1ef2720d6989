# SPDX-License-Identifier: MIT
# Creates a guest with disk and network through Debian's xl and follows it to its login.
cat >/root/one.cfg <<'END'
name = "one"
kernel = "/root/vmlinuz-cloud"
ramdisk = "/root/initrd-cloud"
extra = "console=hvc0 root=/dev/xvda ip=10.77.0.11::10.77.0.1:255.255.255.0:one:eth0:off"
memory = 128
disk = ["file:/root/disk.ext4,xvda,w"]
vif = ["bridge=xenbr0,mac=00:16:3e:00:00:01"]
END
step create xl create /root/one.cfg
step list xl list
pty=$(xenstore-read "/local/domain/$(xl domid one)/console/tty")
cat "$pty" >/run/one.console &
step login wait_for 600 grep -q 'one login:' /run/one.console
cat /run/one.console
step ping ping -c 2 -W 5 10.77.0.11
step destroy xl destroy one
step after xl list
