# Run as root on a new machine, and again at every deploy, with the deploy key as its only argument: the data disk is
# formatted if it is blank, grown if it grew, and mounted; nobody but the deploy key logs in.
set -eu
device=/dev/vdb
test -b "$device" || { echo "there is no data disk $device" >&2; exit 1; }
blkid "$device" >/dev/null 2>&1 || mkfs.xfs -q "$device"
grep -q "^$device " /etc/fstab 2>/dev/null || echo "$device /data xfs defaults,nofail 0 2" >>/etc/fstab
mkdir -p /data
mountpoint -q /data || mount /data
xfs_growfs /data >/dev/null
mkdir -p /data/storage /root/.ssh
umask 077
printf '%s\n' "$1" >/root/.ssh/authorized_keys
