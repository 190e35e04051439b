#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Ansible role and its plays, run against three boxes with a real systemd: each play twice, and
# the second time changes nothing; a batch that is not well stops the ones after it. Ansible runs
# out here and reaches the boxes as by ssh, without a network. Run by ./dev check --packages.
#
# usage: role.sh DEBS
source "${srcdir:-.}/tests/suite.sh"
source "${srcdir:-.}/tests/box.sh"
debs=$1
if [ "$(id -u)" != 0 ]; then
	skip "packages are installed in an overlay of the machine's own files, which takes root"
	suite_end
fi
share=$suite_folder/boxes/share
trap 'box_end; rm -rf --one-file-system "$suite_folder"' EXIT
box_folder "$suite_folder/boxes" || exit 1
cp "$debs"/netictl_*.deb "$share" || exit 1
package=$(echo "$share"/netictl_*.deb)
hosts=(hudson sierra walden)
plays=$suite_folder/plays
cp -r "$srcdir/packaging/ansible" "$plays"

# --- Ansible, and its way into a box --------------------------------------------------------------

# As ssh is called: options, the host, one command. Files come by the same way.
write_ssh() {
	cat >"$suite_folder/ssh" <<'SH'
#!/bin/bash
set -e
host=${*: -2:1} command=${*: -1}
exec nsenter --target "$(cat "$(dirname "$0")/pid.$host")" --all --root --wd \
	env -i HOME=/root LC_ALL=C.UTF-8 PATH=/usr/sbin:/usr/bin:/sbin:/bin sh -c "$command"
SH
	chmod +x "$suite_folder/ssh"
}

write_inventory() {
	cat >"$suite_folder/hosts" <<INI
[neti]
hudson neti_network=ec2 neti_public_ip=198.51.100.11 neti_settings='{"id": "hudson", "private_ip": "10.0.0.11"}'
sierra neti_network=ec2 neti_public_ip=198.51.100.12 neti_settings='{"id": "sierra", "private_ip": "10.0.0.12"}'
walden neti_network=vpc neti_public_ip=203.0.113.11 neti_settings='{"id": "walden", "private_ip": "10.0.0.11"}'

[neti_proxies]
hudson

[neti:vars]
ansible_connection=ssh
ansible_ssh_executable=$suite_folder/ssh
ansible_ssh_transfer_method=piped
ansible_become=false
ansible_python_interpreter=/usr/bin/python3
neti_package=$package
neti_registry=sqlite:/run/share/registry.db
neti_open_ports=[80, 443]
neti_ssh_whitelist=["203.0.113.0/24"]
neti_batch=1
INI
}

play() {
	local name=$1
	shift
	HOME=$suite_folder ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 \
		ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_PIPELINING=1 \
		timeout 240 ansible-playbook -i "$suite_folder/hosts" "$plays/$name.yml" "$@" \
		>"$suite_folder/play" 2>&1 </dev/null
	local status=$?
	cat "$suite_folder/play"
	return "$status"
}

# Every host of the recap: so many changes, or "none".
changes() {
	local wanted=$1 count
	sed -n '/^PLAY RECAP/,$p' "$suite_folder/play"
	count=$(sed -n '/^PLAY RECAP/,$s/.*changed=\([0-9]*\).*/\1/p' "$suite_folder/play")
	[ -n "$count" ] || return 1
	if [ "$wanted" = none ]; then ! grep -qvx 0 <<<"$count"; else ! grep -qx 0 <<<"$count"; fi
}

changes_something() {
	play "$@" && changes some
}

changes_nothing() {
	play "$@" && changes none
}

# --- what must be so on every host ------------------------------------------------------------------

everywhere() {
	local host
	for host in "${hosts[@]}"; do
		box "$host" "$@" || {
			echo "$host: $*"
			return 1
		}
	done
}

rejects() {
	box "$1" iptables-legacy -S NETI-INPUT | grep -q -- '-j DROP$'
}

all_reject() {
	local host
	for host in "${hosts[@]}"; do
		box_await 5 rejects "$host" || return 1
	done
}

none_rejects() {
	! rejects hudson && ! rejects sierra && ! rejects walden
}

# The inode of the tool changed when the package was unpacked.
conntrack_came_first() {
	# shellcheck disable=SC2016 # expanded in there
	everywhere sh -c 'size=$(stat -c %Z /etc/sysctl.d/60-neti-conntrack.conf)
		tool=$(stat -c %Z /usr/sbin/netictl); echo "$size, $tool"; [ "$size" -le "$tool" ]'
}

fleet_is() {
	[ "$(box hudson netictl --json list | jq -r '.members[].id' | sort | tr '\n' ' ')" = "$1" ]
}

mistake_changes_nothing() {
	! play site -l hudson -e '{"neti_settings": {"colour": "red"}}' &&
		box hudson sh -c '! grep colour /etc/neti/neti.yml && systemctl -q is-active neti'
}

stops_at_the_first() {
	box hudson systemctl stop neti.service
	! play reject -e neti_reject_all=false && rejects sierra && rejects walden
	local status=$?
	box hudson systemctl start neti.service
	return "$status"
}

make_next() {
	dpkg-deb -R "$package" "$suite_folder/next" &&
		sed -i 's/^Version: .*/&+next/' "$suite_folder/next/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$suite_folder/next" "$share/next.deb"
}

has_next() {
	everywhere sh -c 'dpkg-query -s netictl | grep -q "^Version:.*next"'
}

# --- the plays --------------------------------------------------------------------------------------

for host in "${hosts[@]}"; do
	expect "$host boots" box_start "$host"
	echo "${box_pid[$host]}" >"$suite_folder/pid.$host"
	box "$host" sh -c 'ip link add uplink type veth peer name far && ip link set uplink up &&
		ip route add default dev uplink'
done
write_ssh
write_inventory
expect "site: installs and starts Neti" changes_something site
expect "site again changes nothing" changes_nothing site
expect "conntrack had its size before Neti came" conntrack_came_first
expect "all are in the fleet" fleet_is 'hudson sierra walden '
expect "nobody is refused" none_rejects
expect "a setting that changes is taken" \
	changes_something site -l hudson -e '{"neti_open_ports": [80]}'
expect "and back" changes_something site -l hudson
expect "a mistake in a setting changes nothing" mistake_changes_nothing
expect "reject: strangers are refused" changes_something reject
expect "on all hosts" all_reject
expect "reject again changes nothing" changes_nothing reject
expect "site leaves that as it is" changes_nothing site -l hudson
expect "a host that is not well stops the batches after it" stops_at_the_first
expect "reject, back" changes_something reject -e neti_reject_all=false
expect "nobody is refused any more" none_rejects
proxy=(-e '{"neti_proxy_listen": 2181, "neti_proxy_to": ["10.0.0.12:2181"]}')
expect "proxy" changes_something proxy "${proxy[@]}"
expect "it leads to the servers" \
	box hudson sh -c 'iptables-legacy-save -t nat | grep "NETI-PROXY.*10.0.0.12:2181"'
expect "proxy again changes nothing" changes_nothing proxy "${proxy[@]}"
expect "the next version can be made" make_next
expect "upgrade" changes_something upgrade -e "neti_package=$share/next.deb"
expect "all have it" has_next
expect "upgrade again changes nothing" \
	changes_nothing upgrade -l hudson -e "neti_package=$share/next.deb"
expect "remove" changes_something remove -e neti_purge=true
expect "no trace of rules" everywhere sh -c '! iptables-legacy-save | grep NETI'
expect "no settings" everywhere sh -c '! ls -d /etc/neti /var/lib/neti 2>/dev/null'
expect "remove again changes nothing" changes_nothing remove -l hudson -e neti_purge=true
suite_end
