#!/bin/sh
# Boots systemd in namespaces of its own, on a copy of this system that is thrown away, and has it run a script.
#   boot.sh FOLDER    FOLDER/inside holds check.sh and what it needs; what it says is in FOLDER/said
# Needs root. Nothing of this system is changed: the root is an overlay in memory, and network, processes, control groups
# and /proc/sys are others or cannot be written.
set -eu
folder=$1
stage=${2-outside}

case $stage in
outside)
    exec unshare --mount -- sh "$0" "$folder" group
    ;;
group)
    # A control group of our own, which becomes the root of those inside.
    mount --make-rprivate /
    mkdir -p "$folder/groups"
    mount -t cgroup2 cgroup2 "$folder/groups"
    group=$folder/groups/whipstitch-check.$$
    mkdir "$group"
    (
        sh -c 'echo $PPID' >"$group/cgroup.procs"
        exec unshare --fork --kill-child --pid --mount --uts --ipc --net --cgroup -- sh "$0" "$folder" boot
    ) || failed=$?
    # They are empty now.
    find "$group" -depth -type d -exec rmdir {} +
    exit "${failed-0}"
    ;;
boot)
    mkdir -p "$folder/memory"
    mount -t tmpfs tmpfs "$folder/memory"
    mkdir "$folder/memory/upper" "$folder/memory/work" "$folder/memory/root"
    root=$folder/memory/root
    mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/memory/upper,workdir=$folder/memory/work" "$root"
    mount -t proc proc "$root/proc"
    mount --bind "$root/proc/sys" "$root/proc/sys"
    mount -o remount,bind,ro "$root/proc/sys"
    mount -t sysfs -o ro sysfs "$root/sys"
    mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
    mount -t tmpfs tmpfs "$root/dev"
    for device in null zero full random urandom tty; do
        touch "$root/dev/$device"
        mount --bind "/dev/$device" "$root/dev/$device"
    done
    mkdir "$root/dev/shm" "$root/dev/pts"
    ln -s pts/ptmx "$root/dev/ptmx"
    mount -t tmpfs tmpfs "$root/run"
    mount -t tmpfs tmpfs "$root/tmp"
    # Below /run, which is empty now: elsewhere this system could have a folder of any name.
    mkdir "$root/run/check"
    cp -r "$folder/inside/." "$root/run/check"
    touch "$folder/said" "$root/run/check/said"
    mount --bind "$folder/said" "$root/run/check/said"
    # Nothing of this system is started.
    rm -rf "$root"/etc/systemd/system/*.wants
    mkdir -p "$root/run/systemd/system"
    cat >"$root/run/systemd/system/check.service" <<'UNIT'
[Unit]
SuccessAction=exit-force
FailureAction=exit-force
FailureActionExitStatus=1
[Service]
Type=oneshot
ExecStart=/bin/sh -eux /run/check/check.sh
StandardOutput=append:/run/check/said
StandardError=append:/run/check/said
TimeoutStartSec=150
UNIT
    ip link set lo up
    cd "$root"
    pivot_root . mnt
    umount --lazy /mnt
    exec env --ignore-environment container=whipstitch-check PATH="$PATH" \
        /lib/systemd/systemd --system --unit=check.service --log-target=null --show-status=0
    ;;
esac
