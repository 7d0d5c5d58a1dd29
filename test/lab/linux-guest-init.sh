#!/bin/busybox sh
# The init of the Linux guest of live tests. The kernel's command line says what it is to do:
#   lab.driver=no    load no balloon driver
#   lab.silent=S     take the driver from its device after S seconds, so that the guest says nothing any more
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tmpfs -o size=40m work /data

driver=yes silent=''
for word in $(cat /proc/cmdline); do
  case $word in
    lab.driver=*) driver=${word#*=} ;;
    lab.silent=*) silent=${word#*=} ;;
  esac
done

# In the order in which they need each other.
for module in virtio_ring virtio virtio_pci_legacy_dev virtio_pci_modern_dev virtio_pci; do insmod /modules/$module.ko; done
[ "$driver" = no ] || insmod /modules/virtio_balloon.ko

if [ -n "$silent" ]; then
  sleep "$silent"
  cd /sys/bus/virtio/drivers/virtio_balloon || exit
  for device in virtio*; do echo "$device" >unbind; done
fi

# Memory is taken and given back, so that its statistics move.
while :; do
  for mib in 2 8 24; do
    dd if=/dev/zero of=/data/file bs=1M count=$mib 2>/dev/null
    sleep 1
  done
done
