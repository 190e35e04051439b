#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Ansible role and its plays, run against three boxes with a real systemd: each play twice, and
# the second time changes nothing, nor does --check; a batch that is not well stops the ones after
# it. Ansible runs out here and reaches the boxes as by ssh, without a network; but where a play
# could shut it out it has a network namespace of its own, as a machine that is neither a member nor
# listed, and hudson a real sshd. Run by ./dev check --packages.
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

# write_inventory WAY: the lines that say how a box is reached.
write_inventory() {
	cat <<INI
[neti]
hudson neti_id=hudson neti_network=ec2 neti_public_ip=198.51.100.11 neti_settings='{"private_ip": "10.0.0.11"}'
sierra neti_network=ec2 neti_public_ip=198.51.100.12 neti_settings='{"id": "sierra", "private_ip": "10.0.0.12"}'
walden neti_network=vpc neti_public_ip=203.0.113.11 neti_settings='{"id": "walden", "private_ip": "10.0.0.11"}'

[neti_proxies]
hudson

[neti:vars]
$1
ansible_become=false
ansible_python_interpreter=/usr/bin/python3
neti_package=$package
neti_registry=sqlite:/run/share/registry.db
neti_open_ports=[80, 443]
neti_ssh_whitelist=["203.0.113.0/24"]
neti_batch=1
INI
}

# "from": where Ansible runs.
inventory=$suite_folder/hosts
from=() controller=()
play() {
	local name=$1
	shift
	HOME=$suite_folder ANSIBLE_NOCOLOR=1 ANSIBLE_RETRY_FILES_ENABLED=0 \
		ANSIBLE_LOCALHOST_WARNING=0 ANSIBLE_PIPELINING=1 \
		timeout 240 "${from[@]}" ansible-playbook -i "$inventory" "$plays/$name.yml" "$@" \
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

# All that a play could change: settings, packages, units, rules.
state_of_all() {
	local host
	for host in "${hosts[@]}"; do
		# shellcheck disable=SC2016 # expanded in there
		box "$host" sh -c 'find /etc /var/lib/neti /var/cache/apt/archives -type f \
			! -name "lock*" ! -path "/var/lib/neti/*" -exec md5sum {} + 2>/dev/null | sort -k 2
			dpkg-query -W netictl; systemctl is-active neti.service neti-proxy.service
			nft -s -t list table inet neti; iptables-legacy-save | grep NETI' 2>&1 || :
	done
}

# checks PLAY…: with --check it succeeds, has something to say, and changes nothing.
checks() {
	state_of_all >"$suite_folder/before"
	changes_something "$@" --check || return 1
	state_of_all | diff "$suite_folder/before" -
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
	box "$1" nft list chain inet neti input | grep 'drop comment "everybody else"' >/dev/null
}

rejects_by_iptables() {
	box "$1" iptables-legacy -S NETI-INPUT | grep -x -- '-A NETI-INPUT -j DROP' >/dev/null
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

yes_is_true() {
	box hudson sed -i 's/^reject_all: .*/reject_all: Yes # as ever/' /etc/neti/neti.yml &&
		play site -l hudson && box hudson grep -qx 'reject_all: true' /etc/neti/neti.yml && rejects hudson
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

# --- a controller that is neither member nor listed ------------------------------------------------

by_ssh() {
	"${controller[@]}" timeout 10 ssh -F none -i "$suite_folder/key" -o BatchMode=yes \
		-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ControlPath=none \
		-o ConnectTimeout=3 root@192.0.2.1 "$@"
}

# A key in place of a locked password lets root in.
write_sshd() {
	ssh-keygen -q -t ed25519 -N "" -f "$suite_folder/key" &&
		ssh-keygen -q -t ed25519 -N "" -f "$share/host_key" &&
		cp "$suite_folder/key.pub" "$share/authorized_keys" &&
		printf '%s\n' "HostKey /run/share/host_key" "AuthorizedKeysFile /run/share/authorized_keys" \
			"StrictModes no" "UsePAM no" "PermitRootLogin prohibit-password" \
			"PidFile none" >"$share/sshd_config"
}

has_road() {
	suite_namespace controller && write_sshd || return 1
	ip link add eth9 netns "${box_pid[hudson]}" type veth peer name eth0 \
		netns "$(cat "$suite_folder/holder-controller")" &&
		"${controller[@]}" sh -c 'ip address add 192.0.2.9/24 dev eth0 && ip link set eth0 up' &&
		box hudson sh -c 'ip address add 192.0.2.1/24 dev eth9 && ip link set eth9 up &&
			usermod -p "*" root && mkdir -p /run/sshd &&
			systemd-run --unit=road /usr/sbin/sshd -D -f /run/share/sshd_config' || return 1
	write_inventory "ansible_host=192.0.2.1
ansible_user=root
ansible_ssh_private_key_file=$suite_folder/key
ansible_ssh_common_args='-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null'" \
		>"$suite_folder/hosts.ssh"
	box_await 10 by_ssh true
}

no_way_back() {
	! box hudson sh -c 'ls /etc/neti/neti.yml.before /etc/systemd/system/neti-back.*' &&
		! box hudson systemctl -q is-active neti-back.timer
}

stops_before() {
	state_of_all >"$suite_folder/before"
	! play reject -l hudson "$@" && grep 'controller as 192.0.2.9 and would refuse it' "$suite_folder/play" &&
		changes none && no_way_back && state_of_all | diff "$suite_folder/before" -
}

denied_is_emptied() {
	box hudson sh -c 'while :; do nft flush set inet neti denied; sleep 0.02; done' &
	local emptying=$! status
	play "$@"
	status=$?
	kill "$emptying"
	wait "$emptying"
	return "$status"
}

without_kept_connections() {
	ANSIBLE_SSH_ARGS=-C play "$@"
}

# It really was shut out, for which a connection of ours is the proof, and then no more.
shut_out_for_a_while() {
	local status=0 played
	"$@" &
	played=$!
	until ! kill -0 "$played" 2>/dev/null || [ -e "$suite_folder/refused" ]; do
		by_ssh true 2>/dev/null || : >"$suite_folder/refused"
		sleep 0.5
	done
	wait "$played" && status=1
	[ -e "$suite_folder/refused" ] || { echo "never shut out"; status=1; }
	rm -f "$suite_folder/refused"
	grep -q 'The change is undone' "$suite_folder/play" && by_ssh true && no_way_back &&
		[ "$status" = 0 ]
}

# Neither the controller nor the connection is there any more.
killed_on_the_way() {
	local played
	denied_is_emptied reject -l hudson -e neti_undo_seconds=60 &
	played=$!
	box_await 120 rejects hudson || return 1
	kill -KILL -- "-$(pgrep -P "$played" -x timeout)"
	wait "$played"
	rejects hudson
}

undone_by_itself() {
	! rejects hudson && box hudson grep -qx 'reject_all: false' /etc/neti/neti.yml
}

comes_back() {
	box_await 90 undone_by_itself && return
	box hudson systemctl status --no-pager neti-back.timer neti-back.service neti.service
	box hudson journalctl --no-pager -n 40
	return 1
}

# --- the plays --------------------------------------------------------------------------------------

uplink='ip link add uplink type veth peer name far && ip link set uplink up &&
	ip route add default dev uplink'
for host in "${hosts[@]}"; do
	expect "$host boots" box_start "$host"
	echo "${box_pid[$host]}" >"$suite_folder/pid.$host"
	box "$host" sh -c "$uplink"
done
write_ssh
write_inventory "ansible_connection=ssh
ansible_ssh_executable=$suite_folder/ssh
ansible_ssh_transfer_method=piped" >"$inventory"
expect "site --check, where nothing is" checks site
expect "site: installs and starts Neti" changes_something site
expect "site again changes nothing" changes_nothing site
expect "conntrack had its size before Neti came" conntrack_came_first
expect "all are in the fleet" fleet_is 'hudson sierra walden '
expect "nobody is refused" none_rejects
expect "a setting that changes is taken" \
	changes_something site -l hudson -e '{"neti_open_ports": [80]}'
expect "and back" changes_something site -l hudson
expect "a mistake in a setting changes nothing" mistake_changes_nothing
expect "reject --check" checks reject
expect "reject: strangers are refused" changes_something reject
expect "on all hosts" all_reject
expect "reject again changes nothing" changes_nothing reject
expect "site leaves that as it is" changes_nothing site -l hudson
expect "nor opens a host whose settings say yes" yes_is_true
expect "a host that is not well stops the batches after it" stops_at_the_first
expect "reject, back" changes_something reject -e neti_reject_all=false
expect "nobody is refused any more" none_rejects
expect "a controller that is no member has a road to hudson" has_road
inventory=$suite_folder/hosts.ssh from=("${controller[@]}")
expect "by which Ansible comes, too" changes_nothing site -l hudson
expect "reject stops before it shuts its controller out" stops_before
expect "reject --check says that it would" stops_before --check
expect "a controller shut out is let in again" shut_out_for_a_while \
	denied_is_emptied reject -l hudson -e neti_undo_seconds=40
expect "nobody is refused" none_rejects
expect "a list that lets the controller in" \
	changes_something site -l hudson -e '{"neti_ssh_whitelist": ["192.0.2.0/24"]}'
expect "reject lets it in" changes_something reject -l hudson
expect "and refuses strangers" rejects hudson
expect "the way back is taken away" no_way_back
expect "a new connection gets through" box_await 1 by_ssh true
expect "again: nothing" changes_nothing reject -l hudson
# An accept of ours is final in iptables, as long as it is there.
list='"neti_ssh_whitelist": ["192.0.2.0/24"]'
expect "site, with the engine of iptables" changes_something site -l hudson \
	-e "{$list, \"neti_settings\": {\"private_ip\": \"10.0.0.11\", \"engine\": \"iptables\"}}"
box hudson iptables-legacy -A INPUT -p tcp --dport 22 -j DROP
expect "remove, where others' rules refuse the controller" shut_out_for_a_while \
	play remove -l hudson -e neti_undo_seconds=40
expect "hudson refuses as before" box_await 10 rejects_by_iptables hudson
box hudson iptables-legacy -D INPUT -p tcp --dport 22 -j DROP
expect "site, with the engine of nftables" changes_something site -l hudson -e "{$list}"
expect "which refuses at once" rejects hudson
expect "site, with a list that lacks it" shut_out_for_a_while \
	without_kept_connections site -l hudson -e neti_undo_seconds=40
expect "keeps the list that has it" box hudson grep -q 192.0.2.0/24 /etc/neti/neti.yml
expect "reject, back, by ssh" changes_something reject -l hudson -e neti_reject_all=false
expect "the controller is killed when it has shut itself out" killed_on_the_way
expect "hudson loses its power" box_stop hudson
expect "and boots" box_start hudson
expect "as one that refuses" box_await 20 rejects hudson
echo "${box_pid[hudson]}" >"$suite_folder/pid.hudson"
box hudson sh -c "$uplink"
expect "the way back survives that" comes_back
inventory=$suite_folder/hosts from=()
expect "site, after all that" play site -l hudson
expect "proxy --check" checks proxy -e '{"neti_proxy_listen": 2181, "neti_proxy_to": ["10.0.0.12:2181"]}'
proxy=(-e '{"neti_proxy_listen": 2181, "neti_proxy_to": ["10.0.0.12:2181"]}')
expect "proxy" changes_something proxy "${proxy[@]}"
expect "it leads to the servers" \
	box hudson sh -c 'iptables-legacy-save -t nat | grep "NETI-PROXY.*10.0.0.12:2181"'
expect "proxy again changes nothing" changes_nothing proxy "${proxy[@]}"
expect "the next version can be made" make_next
expect "upgrade --check" checks upgrade -e "neti_package=$share/next.deb"
expect "upgrade" changes_something upgrade -e "neti_package=$share/next.deb"
expect "all have it" has_next
expect "upgrade again changes nothing" \
	changes_nothing upgrade -l hudson -e "neti_package=$share/next.deb"
expect "remove --check" checks remove -e neti_purge=true
expect "remove" changes_something remove -e neti_purge=true
expect "no trace of rules" everywhere sh -c '! iptables-legacy-save | grep NETI && ! nft list table inet neti'
expect "no settings" everywhere sh -c '! ls -d /etc/neti /var/lib/neti 2>/dev/null'
expect "site, closed from the first start on" \
	changes_something site -l hudson -e neti_reject_all=true
expect "hudson refuses" rejects hudson
expect "its agent is stopped" box hudson systemctl stop neti.service
expect "remove, all the same" changes_something remove -l hudson -e neti_purge=true
expect "no trace of rules here, too" box hudson sh -c '! iptables-legacy-save | grep NETI && ! nft list table inet neti'
expect "remove again changes nothing" changes_nothing remove -l hudson -e neti_purge=true
suite_end
