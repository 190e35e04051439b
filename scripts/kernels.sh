# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The suites of the engines on the kernels that Debian's users have, under qemu: once with the tables
# of iptables and once where neither they nor ipset are to be had. The guest has this machine's files,
# read-only, with a layer of its own in memory over them. Emulated: no right to the processor's
# virtualization is needed, and what that leaves out under another one does not matter. Sourced by
# check.sh. Takes root.

kernel_releases=(bullseye bookworm trixie) # 5.10, 6.1, 6.12
kernel_suites=(engine engine_host drift agent)

# kernel_apt RELEASE PROGRAM ARGUMENT…: one of apt's, with lists of that release alone.
kernel_apt() {
	local folder=$kernels/$1/apt program=$2
	"$program" -q -o "Dir::Etc::SourceList=$folder/sources" -o Dir::Etc::SourceParts=- \
		-o "Dir::State::Lists=$folder/lists" -o Dir::Cache::pkgcache= \
		-o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root "${@:3}"
}

# The newest image of the release, unpacked.
kernel_fetch() {
	local release=$1 here=$kernels/$1 image
	mkdir -p "$here/apt/lists/partial" "$here/image" &&
		fresh_sources "$release" | awk -v suite="$release" '$3 == suite' >"$here/apt/sources" &&
		kernel_apt "$release" apt-get update || return
	image=$(kernel_apt "$release" apt-cache depends linux-image-amd64 |
		sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -n 1)
	[ -n "$image" ] || return
	(cd "$here" && kernel_apt "$release" apt-get download "$image") &&
		dpkg-deb -x "$here/$image"_*.deb "$here/image" || return
	[ -d "$here/image/lib/modules" ] || mv "$here/image/usr/lib" "$here/image/lib"
	ls "$here/image/lib/modules" >"$here/version"
	depmod -b "$here/image" "$(cat "$here/version")"
}

# What mounts the guest's root.
# shellcheck disable=SC2016 # expanded in there
kernel_init='#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
while read -r module; do insmod "/modules/$module"; done </modules/order
share="trans=virtio,version=9p2000.L,msize=512000"
mount -t 9p -o "ro,cache=loose,$share" machine /machine
mount -t tmpfs -o size=80% layer /layer
mkdir /layer/upper /layer/work
mount -t overlay -o lowerdir=/machine,upperdir=/layer/upper,workdir=/layer/work root /new
mkdir -p /new/usr/lib/modules
mount -t 9p -o "ro,cache=loose,$share" modules /new/usr/lib/modules
mount -t 9p -o "$share" guest /new/mnt
mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
exec switch_root /new /bin/bash /mnt/guest.sh
'

kernel_initrd() {
	local here=$kernels/$1 root=$kernels/$1/initrd file name module
	mkdir -p "$root"/{bin,modules,proc,sys,dev,machine,layer,new} && cp /bin/busybox "$root/bin/" || return
	for module in virtio_pci 9pnet_virtio 9p overlay; do
		modprobe -d "$here/image" -S "$(cat "$here/version")" --show-depends "$module" |
			sed -n 's/^insmod \([^ ]*\).*/\1/p' | while read -r file; do
			name=$(basename "${file%.xz}")
			[ ! -e "$root/modules/$name" ] || continue
			case $file in
			*.xz) xz -dc "$file" >"$root/modules/$name" ;;
			*) cp "$file" "$root/modules/$name" ;;
			esac
			echo "$name" >>"$root/modules/order"
		done
	done
	printf '%s' "$kernel_init" >"$root/init" && chmod +x "$root/init" &&
		(cd "$root" && find . | cpio -o -H newc --quiet | gzip -1 >"$here/initrd.gz")
}

# kernel_guest TREE with|without: what runs in there.
kernel_guest() {
	local modules='modprobe -a ip_tables ip6_tables'
	[ "$2" = with ] ||
		modules='printf "install %s /bin/false\n" x_tables ip_tables ip6_tables ip_set >/etc/modprobe.d/without.conf'
	cat <<SH
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TMPDIR=/tmp LC_ALL=C.UTF-8 srcdir=$1
export CK_TIMEOUT_MULTIPLIER=5
exec </dev/null >/mnt/said 2>&1
mount -t devpts devpts /dev/pts
mkdir -p /dev/shm && mount -t tmpfs shm /dev/shm
mount -t tmpfs run /run
mount -t cgroup2 cgroup /sys/fs/cgroup
ip link set lo up
$modules
cd $1
for suite in ${kernel_suites[*]}; do
	build/gcc/tests/\$suite >/mnt/\$suite.log 2>&1
	echo \$? >/mnt/\$suite.status
done
dmesg >/mnt/dmesg
sync
poweroff -f || echo o >/proc/sysrq-trigger
SH
}

# kernel_boot RELEASE with|without
kernel_boot() {
	local here=$kernels/$1 guest=$kernels/$1/$2 share=security_model=none,multidevs=remap
	mkdir -p "$guest" && kernel_guest "$root" "$2" >"$guest/guest.sh" || return
	timeout 1800 qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 2 -m 3072 -nodefaults \
		-no-reboot -nographic -net none -serial "file:$guest/console" \
		-kernel "$here"/image/boot/vmlinuz-* -initrd "$here/initrd.gz" \
		-append "console=ttyS0 panic=-1" \
		-virtfs "local,path=/,mount_tag=machine,readonly=on,$share" \
		-virtfs "local,path=$here/image/lib/modules,mount_tag=modules,readonly=on,$share" \
		-virtfs "local,path=$guest,mount_tag=guest,$share" || return
	tail -n 5 "$guest/console"
	[ -e "$guest/dmesg" ]
}

# check_kernel RELEASE with|without
# shellcheck disable=SC2154 # log is stage's
check_kernel() {
	local suite suite_failed guest=$kernels/$1/$2
	if ! stage "Linux $(cat "$kernels/$1/version"), $2 iptables and ipset" kernel_boot "$1" "$2"; then
		failed=$((failed + 1))
		tail -n 60 "$log"
		return
	fi
	for suite in "${kernel_suites[@]}"; do
		count_suite "$guest/$suite.log" "$([ "$(cat "$guest/$suite.status")" = 0 ] && echo PASS)"
		[ "$suite_failed" = 0 ] || { echo "--- $suite" && tail -n 60 "$guest/$suite.log"; }
	done
}

# check_kernels [RELEASE…], all of them without a name.
check_kernels() {
	local release kernels=$folder/kernels
	if [ "$(id -u)" != 0 ]; then
		echo "skipped: a guest with this machine's files takes root"
		skipped=$((skipped + 1))
		return
	fi
	needed "build with gcc" ./dev build gcc
	# shellcheck disable=SC2154 # jobs is check.sh's
	needed "the suites" make -C build/gcc -j"$jobs" "${kernel_suites[@]/#/tests/}"
	[ $# -gt 0 ] || set -- "${kernel_releases[@]}"
	for release in "$@"; do
		needed "$release: its kernel" kernel_fetch "$release"
		needed "$release: what boots it" kernel_initrd "$release"
		check_kernel "$release" with
		check_kernel "$release" without
		rm -rf "${kernels:?}/$release"
	done
}
