#!/usr/bin/busybox sh
# The machine's first process: mounts what a host has, runs the tests, tells how they ended, switches the machine off.
busybox=/usr/bin/busybox
$busybox --install -s /bin
export PATH=/usr/bin:/bin:/sbin HOME=/root TERM=dumb RUST_BACKTRACE=1 NO_COLOR=1 NEXTEST_NO_INPUT_HANDLER=1

set -o pipefail

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o gid=5,mode=620,ptmxmode=666 devpts /dev/pts
mount -t tmpfs -o mode=1777 tmpfs /dev/shm
mount -t tmpfs -o mode=755 tmpfs /run
# As systemd mounts it, and with nobody in the root group.
mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /sys/fs/cgroup
mkdir /sys/fs/cgroup/init.scope
echo 1 > /sys/fs/cgroup/init.scope/cgroup.procs
hostname vm
ip link set lo up
echo 0 > /proc/sys/kernel/printk_ratelimit

# As a host's services have it.
ulimit -n 1048576

set -- --binaries-metadata /vm/tests.json --cargo-metadata /vm/cargo.json --profile vm --no-fail-fast
while IFS= read -r word || [ -n "$word" ]; do set -- "$@" "$word"; done < /vm/filter
root=$(cat /vm/root)
# There is no cargo to ask.
export INSTA_WORKSPACE_ROOT="$root" GANTRY_TEST_PATIENCE=8
echo "vm: $(uname -r), $(cat /sys/fs/cgroup/cgroup.controllers), up for $(cut -d' ' -f1 /proc/uptime) s"
cd "$root" && cargo-nextest nextest run "$@" 2>&1 | cat
echo "vm: exit $?"
sync
poweroff -f
