#!/bin/busybox sh
# Finds the disk and goes over to it.
/bin/busybox mkdir -p /dev /disk
/bin/busybox mount -t devtmpfs devtmpfs /dev
for module in MODULES; do /bin/busybox insmod "/$module"; done
/bin/busybox mount -t ext4 /dev/vda /disk
/bin/busybox umount /dev
exec /bin/busybox switch_root /disk /vm/init
