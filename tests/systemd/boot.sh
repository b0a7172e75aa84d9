#!/bin/bash
# Becomes the systemd of a lab, see lab.ts. Runs as the first process of namespaces of its own; nothing that is mounted here
# is seen outside of them.
#
#     boot.sh COPY_OF_ETC [USR]
#
# USR has another systemd, with its libraries, and is laid over /usr.
set -eu

mount --make-rprivate /
[ $# -lt 2 ] || mount -t overlay -o "lowerdir=$2:/usr" overlay /usr
mount --bind "$1" /etc
for directory in /run /home /var/log /var/cache /var/lib/systemd /etc/systemd/system; do
  mkdir -p "$directory"
  mount -t tmpfs -o mode=0755 tmpfs "$directory"
done
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for directory in /tmp /var/tmp; do mount -t tmpfs -o mode=1777 tmpfs "$directory"; done

# What a start of this machine would bring up: udev, consoles, timers. Units of the machine's may still be wanted by name.
for wants in /lib/systemd/system/*.wants; do mount -t tmpfs tmpfs "$wants"; done
printf '[Unit]\nDefaultDependencies=no\nWants=basic.target systemd-journald.service\nAfter=basic.target\n' \
  >/etc/systemd/system/lab.target

exec env -i container=ipc-lab PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd \
  --system --unit=lab.target --log-target=null --show-status=0
