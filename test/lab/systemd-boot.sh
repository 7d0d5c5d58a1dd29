#!/bin/bash
# Boots systemd as the first process of namespaces of its own, over this machine's files: what it writes goes to memory, and
# everything ends with it. To be run by unshare: systemd-boot.sh FOLDER CHECKOUT NODE
set -euo pipefail
folder=$1 checkout=$2 node=$3

mount --make-rprivate /
mount -t tmpfs tmpfs "$folder"
mkdir "$folder/upper" "$folder/work" "$folder/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$folder/root"
cd "$folder/root"
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mount -t tmpfs tmpfs tmp
mount --rbind /dev dev
# The checkout may lie where only its user may look, or in another file system than the root.
mkdir opt/checkout
mount --bind "$checkout" opt/checkout
# So may Node.js: below a folder that is another one in there, a link would lead nowhere.
rm -f usr/local/bin/node
touch usr/local/bin/node
mount --bind "$node" usr/local/bin/node

# As docs/virtstatd.md has it: the command, the units, the user.
ln -sf /opt/checkout/bin/virtstatd.cjs usr/bin/virtstatd
mkdir -p etc/systemd/system usr/lib/sysusers.d
cp "$checkout"/packaging/systemd/*.service "$checkout"/packaging/systemd/*.socket etc/systemd/system/
cp "$checkout"/packaging/systemd/virtstatd.sysusers usr/lib/sysusers.d/virtstatd.conf
# The time that a test can wait.
mkdir etc/systemd/system/virtstatd.service.d
printf '[Service]\nWatchdogSec=2s\nRestartSec=100ms\n' >etc/systemd/system/virtstatd.service.d/test.conf

# Nothing of this machine: no devices, no mounts of the kernel's, no services that it has enabled.
rm -rf etc/systemd/system/*.wants
for unit in systemd-udevd.service systemd-udev-trigger.service systemd-udevd-control.socket systemd-udevd-kernel.socket \
  dev-hugepages.mount dev-mqueue.mount sys-kernel-debug.mount sys-kernel-tracing.mount sys-kernel-config.mount \
  sys-fs-fuse-connections.mount proc-sys-fs-binfmt_misc.automount proc-sys-fs-binfmt_misc.mount \
  systemd-binfmt.service systemd-sysctl.service systemd-modules-load.service systemd-random-seed.service; do
  ln -sf /dev/null "etc/systemd/system/$unit"
done

# A root of its own, not a chroot: the units make namespaces that begin at it.
mkdir -p mnt/outside
pivot_root . mnt/outside
umount --lazy /mnt/outside
exec env -i container=other PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
  /lib/systemd/systemd --unit=basic.target --show-status=no --log-target=journal --log-level=notice
