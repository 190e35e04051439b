# shellcheck shell=bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# README's commands as a new user meets them: on a minimal Debian that debootstrap makes, with
# nothing there but what these commands install by themselves; and the packages on a second one,
# which has not even that. Sourced by check.sh, whose mount namespace holds the systems: they are
# in memory, and gone with it however it ends. Takes root.
source tests/box.sh

fresh_releases=(bookworm trixie)

# Sources of apt for a release, from where this machine has its own: the same places, with the
# release's name for this machine's.
fresh_sources() {
	local release=$1 own uri suite
	own=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	# shellcheck disable=SC2016 # apt's own words
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
		grep ' main$' | sort -u | while read -r uri suite _; do
		case $suite in
		"$own" | "$own"-updates | "$own"-security)
			echo "deb $uri $release${suite#"$own"} main" ;;
		esac
	done
}

# What this machine tells apt about fetching, proxies above all, holds for its guests.
fresh_apt() {
	local release=$1 root=$2
	fresh_sources "$release" >"$root/etc/apt/sources.list"
	apt-config dump Acquire | grep -vE '^Acquire::(IndexTargets|Changelogs|CompressionTypes)' \
		>"$root/etc/apt/apt.conf.d/00machine"
	cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
}

# No errexit inside a stage: each step has its &&.
fresh_make() {
	local release=$1 to=$2 mirror
	mirror=$(fresh_sources "$release" | awk -v suite="$release" '$3 == suite { print $2; exit }')
	[ -n "$mirror" ] || {
		echo "no apt source of this machine names its own release: see apt-get indextargets"
		return 1
	}
	debootstrap --variant=minbase "$release" "$to/host" "$mirror" &&
		fresh_apt "$release" "$to/host" &&
		cp -a "$to/host" "$to/builder" &&
		git clone --quiet "$root" "$to/builder/root/neti"
}

# shellcheck disable=SC2016 # expanded in there
fresh_boot='
set -e
root=$1
shift
mount --bind "$root" "$root"
mount -t proc proc "$root/proc"
mount_machine "$root"
hostname fresh
enter_machine "$root"
cd "$HOME"
exec "$@"
'

# fresh_in SYSTEM COMMAND…, on the network of this machine.
fresh_in() {
	local system=$folder/fresh/$1 variables=(HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin) name
	shift
	for name in http_proxy https_proxy no_proxy; do
		[ -z "${!name-}" ] || variables+=("$name=${!name}")
	done
	env -i "${variables[@]}" unshare --mount --pid --ipc --uts --fork --kill-child \
		bash -c "$box_mounts$fresh_boot" . "$system" "$@"
}

fresh_dev() {
	fresh_in builder neti/dev "$@"
}

# Fetched first: on the network of this machine nothing of Neti's ever runs.
fresh_install() {
	cp "$folder"/fresh/builder/root/neti/build/deb/*.deb "$folder/fresh/host/root" &&
		fresh_in host sh -ec 'apt-get -q update
			fetch="apt-get -q -y --download-only"
			$fetch install ./netictl_*.deb
			$fetch --no-install-recommends install gcc libc6-dev pkg-config' &&
		fresh_in host unshare --net sh -ec 'export DEBIAN_FRONTEND=noninteractive
			apt-get -q -y install ./netictl_*.deb
			netictl --version
			! netictl plan 2>said && cat said && grep -q "no registry is set" said
			! command -v nft && ! command -v iptables && ! command -v ipset
			printf "%s\n" "registry: sqlite:/root/registry.db" "id: hudson" "network: ec2" \
				"private_ip: 10.0.0.1" "reject_all: true" >/etc/neti/neti.yml
			netictl register && netictl apply && netictl verify && netictl flush
			rm /etc/neti/neti.yml'
}

fresh_example() {
	# shellcheck disable=SC2016 # backquotes are what is looked for; the rest is for in there
	sed -n '/^```c$/,/^```$/{/^```/d;p}' README.md >"$folder/fresh/host/root/example.c" &&
		fresh_in host unshare --net sh -ec 'export DEBIAN_FRONTEND=noninteractive
			apt-get -q -y --no-install-recommends install gcc libc6-dev pkg-config
			apt-get -q -y --no-install-recommends install ./libneti0_*.deb ./libneti-dev_*.deb
			cc -Wall -Wextra -Werror example.c -o example $(pkg-config --cflags --libs libneti)
			ldd ./example | grep libneti.so.0'
}

fresh_purge() {
	fresh_in host unshare --net sh -ec 'export DEBIAN_FRONTEND=noninteractive
		apt-get -q -y purge netictl libneti-dev libneti0
		! find / -xdev -path /root -prune -o -path /proc -prune -o -name "*neti[.0-9]*" -print -o \
			-name "*netictl*" -print -o -name neti -print | grep .'
}

# shellcheck disable=SC2154 # log is stage's
fresh_step() {
	if stage "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		tail -n 200 "$log"
	fi
}

check_fresh() {
	local release=$1 before=$failed
	mkdir -p "$folder/fresh"
	mount -t tmpfs -o mode=755,size=80% fresh "$folder/fresh"
	fresh_step "$release: a minimal system" fresh_make "$release" "$folder/fresh"
	[ "$failed" = "$before" ] || return 0
	fresh_step "$release: ./dev demo" fresh_dev demo
	fresh_step "$release: ./dev demo --zookeeper" fresh_dev demo --zookeeper
	fresh_step "$release: ./dev check" fresh_dev check
	count_suite "$log" PASS
	fresh_step "$release: ./dev deb" fresh_dev deb
	fresh_step "$release: install netictl on a host" fresh_install
	fresh_step "$release: the example, with libneti-dev" fresh_example
	fresh_step "$release: purge" fresh_purge
	umount "$folder/fresh"
}

# check_all_fresh [RELEASE…], all of them without a name.
check_all_fresh() {
	local release
	if [ "$(id -u)" != 0 ]; then
		echo "skipped: a minimal system is made by debootstrap, which takes root"
		skipped=$((skipped + 1))
		return
	fi
	[ $# -gt 0 ] || set -- "${fresh_releases[@]}"
	for release in "$@"; do
		check_fresh "$release"
	done
}
