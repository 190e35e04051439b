# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# A box: a whole machine of its own for packages to be installed in. Its files are an overlay of
# this machine's, which stay as they are; its first process is a real systemd, and it has process,
# mount, network, name and control group namespaces. No unit of this machine is started in there.
# Needs root. Sourced by suites; ./dev check gives them a process and a mount namespace, so that
# no box outlives it. What could is an empty control group: "bash box.sh sweep" removes those.
#
#     box_folder FOLDER         where boxes keep their files; FOLDER/share is /run/share in each
#     box_start NAME            boots it, again with the same files after box_stop
#     box NAME COMMAND…         runs a command in there
#     box_cable A DEVICE B DEVICE
#     box_end                   ends them all; a suite's trap calls it before it removes FOLDER

declare -A box_pid box_shell
box_groups=neti-boxes box_root=

# What the files of a machine need around them, and the way in.
# shellcheck disable=SC2016 # expanded in there
box_mounts='
mount_machine() {
	mount -t sysfs -o ro sysfs "$1/sys"
	mount -t tmpfs -o mode=755 tmpfs "$1/run"
	mount -t tmpfs -o mode=755 tmpfs "$1/dev"
	mkdir "$1/dev/pts" "$1/dev/shm" "$1/dev/mqueue" "$1/run/old"
	chmod 1777 "$1/dev/shm"
	for node in null zero full random urandom tty; do
		>"$1/dev/$node"
		mount --bind "/dev/$node" "$1/dev/$node"
	done
	mount -t devpts -o newinstance,ptmxmode=0666 devpts "$1/dev/pts"
	ln -s pts/ptmx "$1/dev/ptmx"
	ln -s /proc/self/fd "$1/dev/fd"
}
enter_machine() {
	cd "$1"
	pivot_root . run/old
	umount -l run/old
}
'

# /proc/sys is the kernel's own: all but its network part is kept from the box.
# shellcheck disable=SC2016 # expanded in there
box_boot='
set -e
folder=$1 root=$1/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$folder/upper,workdir=$folder/work" "$root"
units=$root/usr/lib/systemd/system
if [ ! -e "$folder/emptied" ]; then
	rm -f "$units"/*.wants/* "$root"/etc/systemd/system/*.wants/* "$root/etc/hostname" \
		"$root/usr/sbin/policy-rc.d"
	for unit in systemd-journald.socket systemd-journald-dev-log.socket; do
		ln -s "../$unit" "$units/sockets.target.wants/$unit"
	done
	ln -s ../systemd-journald.service "$units/sysinit.target.wants/systemd-journald.service"
	tr -d - </proc/sys/kernel/random/uuid >"$root/etc/machine-id"
	printf "\n" >"$root/etc/fstab"
	>"$folder/emptied"
fi
mount -t proc proc "$root/proc"
mount --bind "$root/proc/sys/net" "$folder/net"
mount --bind "$root/proc/sys" "$root/proc/sys"
mount -o remount,bind,ro "$root/proc/sys"
mount --move "$folder/net" "$root/proc/sys/net"
mount_machine "$root"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/tmp"
mkdir "$root/run/share"
mount --bind "${folder%/*}/share" "$root/run/share"
hostname "${folder##*/}"
ip link set lo up
enter_machine "$root"
exec env -i container=box PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd --system \
	--unit=multi-user.target --show-status=no --log-target=console --log-level=warning
'

# Control groups are reached by a mount of our own, wherever this machine has its own.
box_folder() {
	box_root=$1
	mkdir -p "$box_root"
	mount -t tmpfs boxes "$box_root" && mkdir "$box_root/share" "$box_root/groups" &&
		mount -t cgroup2 groups "$box_root/groups" &&
		mkdir -p "$box_root/groups/$box_groups"
}

box_start() {
	local name=$1 folder=$box_root/$1 group
	group=$box_root/groups/$box_groups/$$-$name
	mkdir -p "$folder"/{upper,work,root,net} "$group"
	(
		echo "$BASHPID" >"$group/cgroup.procs"
		exec unshare --mount --pid --net --ipc --uts --cgroup --fork --kill-child \
			bash -c "$box_mounts$box_boot" . "$folder"
	) >"$folder/console" 2>&1 </dev/null &
	box_shell[$name]=$!
	box_await 20 box_is_up "$name" || {
		cat "$folder/console"
		return 1
	}
}

box_is_up() {
	box_pid[$1]=$(pgrep -P "${box_shell[$1]}") &&
		case $(box "$1" systemctl is-system-running) in running | degraded) ;; *) false ;; esac
}

box() {
	local name=$1
	shift
	nsenter --target "${box_pid[$name]}" --all --root --wd env -i container=box HOME=/root \
		LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive "$@"
}

# As a machine that loses its power.
box_stop() {
	kill -KILL "${box_shell[$1]}" 2>/dev/null || true
	wait "${box_shell[$1]}" 2>/dev/null
	box_await 20 box_is_gone "$1" && unset "box_shell[$1]"
}

box_is_gone() {
	[ ! -e "/proc/${box_pid[$1]}" ] && box_sweep "$box_root/groups/$box_groups/$$-$1"
}

box_end() {
	local name
	for name in "${!box_shell[@]}"; do
		box_stop "$name"
	done
	[ -z "$box_root" ] || umount -R "$box_root"
}

box_cable() {
	ip link add "$2" netns "${box_pid[$1]}" type veth peer name "$4" netns "${box_pid[$3]}"
	box "$1" ip link set "$2" up
	box "$3" ip link set "$4" up
}

# box_await SECONDS COMMAND…
box_await() {
	local end=$((SECONDS + $1))
	shift
	until "$@" >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# Groups that still hold a process stay.
box_sweep() {
	[ ! -d "$1" ] || find "$1" -depth -type d -exec rmdir {} + 2>/dev/null
	[ ! -d "$1" ]
}

if [ "${BASH_SOURCE[0]}" = "$0" ] && [ "${1-}" = sweep ]; then
	# shellcheck disable=SC2016 # expanded in there
	exec unshare --mount bash -c 'mount -t cgroup2 groups /mnt && source "$1" &&
		box_await 20 box_sweep "/mnt/$box_groups"' . "$0"
fi
