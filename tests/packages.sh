#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# The Debian packages as an administrator meets them: installed, started, rebooted, upgraded under
# live traffic, removed and purged, in boxes with a real systemd. Run by ./dev check --packages,
# which makes build/deb first.
#
# usage: packages.sh DEBS
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
cp "$debs"/*.deb "$share" || exit 1
netictl_deb=$(cd "$share" && echo netictl_*.deb)

hudson() { box hudson "$@"; }
sierra() { box sierra "$@"; }

# --- helpers --------------------------------------------------------------------------------------

# The same package with the next version.
make_next() {
	local folder=$suite_folder/next
	dpkg-deb -R "$share/$netictl_deb" "$folder" &&
		sed -i 's/^Version: .*/&+next/' "$folder/DEBIAN/control" &&
		dpkg-deb --root-owner-group -b "$folder" "$share/next.deb"
}

# A version that knows the engine of iptables alone, and notes what it finds when it comes.
make_older() {
	local folder=$suite_folder/older
	dpkg-deb -R "$share/$netictl_deb" "$folder" &&
		sed -i 's/^Version: .*/Version: 0.1.0-1/' "$folder/DEBIAN/control" &&
		mv "$folder/usr/sbin/netictl" "$folder/usr/sbin/netictl.here" || return
	cat >"$folder/DEBIAN/preinst" <<'SH'
#!/bin/sh
{ nft list tables; iptables-legacy -S NETI-INPUT; systemctl is-active neti.service; } >/run/share/found 2>&1
exit 0
SH
	cat >"$folder/usr/sbin/netictl" <<'SH'
#!/bin/sh
{ cat /etc/neti/neti.yml; echo 'engine: iptables'; } >/run/older.yml
exec /usr/sbin/netictl.here -c /run/older.yml "$@"
SH
	chmod 755 "$folder/DEBIAN/preinst" "$folder/usr/sbin/netictl" &&
		dpkg-deb --root-owner-group -b "$folder" "$share/older.deb"
}

finds_its_own_rules() {
	cat "$share/found"
	! grep 'inet neti' "$share/found" && grep -x -- '-A NETI-INPUT -j DROP' "$share/found" &&
		grep -x active "$share/found"
}

write_settings() {
	local name=$1 address=$2
	box "$name" tee /etc/neti/neti.yml >/dev/null <<YAML
registry: sqlite:/run/share/registry.db
id: $name
network: ec2
private_ip: $address
reject_all: true
open_ports: [80]
YAML
}

state_of() {
	[ "$(hudson systemctl show -P "$2" "$1")" = "$3" ] || {
		hudson systemctl status --no-pager "$1"
		hudson journalctl --no-pager -n 30 -u "$1"
		return 1
	}
}

has_rules() {
	hudson nft list chain inet neti input >/dev/null 2>&1
}

save_kernel() {
	hudson sh -c 'iptables-legacy-save; ip6tables-legacy-save; ipset save; nft list ruleset' |
		sed -e '/^#/d' -e 's/\[[0-9]*:[0-9]*\]/[0:0]/'
}

# Tables that our rules made the kernel load are none of somebody's rules.
rules_of() {
	grep -vE '^(\*|:|COMMIT)' "$1"
}

files_of_neti() {
	hudson find /etc /usr /var -xdev \( -name 'neti*' -o -name 'libneti*' \) 2>/dev/null |
		grep -vE '^/var/(lib/dpkg|cache/man)/' | sort
}

# --- units, judged --------------------------------------------------------------------------------

exposure_below_5() {
	local words
	words=$(systemd-analyze security --offline=true --threshold=50 --no-pager "$1") || {
		echo "$words"
		return 1
	}
}

expect "neti.service: security exposure below 5" \
	exposure_below_5 "$srcdir/packaging/systemd/neti.service"
expect "neti-proxy.service: security exposure below 5" \
	exposure_below_5 "$srcdir/packaging/systemd/neti-proxy.service"
expect "neti-restore.service: security exposure below 5" \
	exposure_below_5 "$srcdir/packaging/systemd/neti-restore.service"

# --- installed ------------------------------------------------------------------------------------

expect "the next version can be made" make_next
expect "a box boots" box_start hudson
files_of_neti >"$suite_folder/files.before"
hudson iptables-legacy -A INPUT -p tcp --dport 9100 -j DROP
hudson iptables-legacy -t nat -A PREROUTING -p tcp --dport 8081 -j REDIRECT --to-ports 8080
save_kernel >"$suite_folder/kernel.before"

starts_nothing() {
	state_of neti.service ActiveState inactive && state_of neti.service UnitFileState disabled &&
		state_of neti-restore.service UnitFileState disabled && ! has_rules
}

manuals_are_found() {
	local page
	for page in 'netictl 8' 'neti.yml 5' 'neti-zookeeper 7' 'neti-migration 7'; do
		[ -n "$(hudson man -w "${page#* }" "${page% *}")" ] || return 1
	done
}

# As shipped: it loads, names no registry, and changes nothing.
example_is_harmless() {
	local said status=0
	said=$(hudson netictl plan 2>&1) || status=$?
	echo "exit $status: $said"
	[ "$status" = 2 ] && grep -q 'no registry is set' <<<"$said" && ! has_rules
}

example_compiles() {
	# shellcheck disable=SC2016 # backquotes are what is looked for; the rest is for in there
	sed -n '/^```c$/,/^```$/{/^```/d;p}' "$srcdir/README.md" >"$share/example.c"
	# shellcheck disable=SC2016
	hudson sh -c 'cd /tmp && cc -Wall -Wextra -Werror /run/share/example.c -o example \
		$(pkg-config --cflags --libs libneti) && ldd ./example | grep libneti.so.0'
}

units_verify() {
	local words
	words=$(hudson systemd-analyze verify neti.service neti-restore.service \
		neti-proxy.service 2>&1)
	! grep neti <<<"$words"
}

expect "netictl installs without libneti0" hudson dpkg -i "/run/share/$netictl_deb"
expect "it starts nothing and enables nothing" starts_nothing
expect "the manuals are found" manuals_are_found
expect "the example of settings is harmless" example_is_harmless
expect "systemd-analyze verify" units_verify
expect "libneti0 and libneti-dev install" \
	hudson sh -c 'dpkg -i /run/share/libneti0_*.deb /run/share/libneti-dev_*.deb'
expect "the example of README.md compiles with libneti-dev" example_compiles

# --- as the manual says ---------------------------------------------------------------------------

# The commands of "TRYING IT ON ONE MACHINE" in neti-migration(7), as they stand there; what a
# person waits for between two of them is waited for.
write_trial() {
	cat >"$share/trial" <<'SH'
mkdir /root/trial && cd /root/trial || exit 1
peers() { ip netns exec "$1" nft get element inet neti peers "{ $2 }" >/dev/null 2>&1; }
verdict() { ip netns exec "$1" nft list chain inet neti input 2>/dev/null | grep "$2 comment \"everybody else\"$" >/dev/null; }
joined() { peers hudson 198.51.100.12 && peers walden 198.51.100.11; }
serves() { ip netns exec walden ss -Hltn 'sport = 8080' | grep -q .; }
settled() {
	local wanted=return
	! grep -q '^reject_all: true' walden.yml || wanted=drop
	verdict hudson "$wanted" && verdict walden "$wanted"
}
await() { for _ in $(seq 100); do "$@" && return; sleep 0.1; done; echo "never $*"; }
SH
	# shellcheck disable=SC2016 # dollars are the trial's
	sed -n '/^\.Sh TRYING/,/^\.Sh UPGRADES/{/^\.Bd/,/^\.Ed/p}' "$srcdir/man/neti-migration.7" |
		sed -e '/^\.[BE]d/d' -e '/^you are/d' -e 's/^# //' -e 's/\\e$/\\/' \
			-e 's/^kill -HUP.*/&; await settled/' -e 's/^agents="\$agents.*/&; await joined/' \
			-e 's/^far=.*/&; await serves/' >>"$share/trial"
}

try_it() {
	write_trial
	hudson bash /run/share/trial >"$suite_folder/trial" 2>&1 </dev/null
	cat "$suite_folder/trial"
	! grep never "$suite_folder/trial" &&
		[ "$(grep '^you are' "$suite_folder/trial")" = "you are 198.51.100.11
you are 198.51.100.13
you are 198.51.100.11
you are 198.51.100.13" ] && grep -qE '^198.51.100.13 +tcp +8080 ' "$suite_folder/trial" &&
		grep -q 'timed out' "$suite_folder/trial" && [ -z "$(hudson ip netns list)" ]
}

expect "neti-migration(7): trying it on one machine" try_it
hudson rm -rf /root/trial

# --- the agent under systemd ----------------------------------------------------------------------

main_pid() {
	hudson systemctl show -P MainPID neti.service
}

powers() {
	# CAP_NET_ADMIN and CAP_NET_RAW alone
	hudson grep -q '^CapBnd:	0000000000003000$' "/proc/$(main_pid)/status"
}

applied() {
	hudson netictl --json status | jq -e '.ready and .applied.age != null'
}

is_restarted() {
	[ "$(main_pid)" != "$1" ] && applied
}

watchdog_bites() {
	local before
	hudson sh -c 'mkdir -p /run/systemd/system/neti.service.d && cd /run/systemd/system/neti.service.d &&
		printf "[Service]\nWatchdogSec=1s\nTimeoutAbortSec=1s\n" >watchdog.conf &&
		systemctl daemon-reload && systemctl restart neti.service'
	before=$(main_pid)
	sleep 2.5
	[ "$(main_pid)" = "$before" ] || {
		echo "restarted without need"
		return 1
	}
	hudson kill -STOP "$before"
	box_await 15 is_restarted "$before" && has_rules
	local status=$?
	[ "$status" = 0 ] || hudson journalctl --no-pager -n 30 -u neti.service
	hudson sh -c 'rm -r /run/systemd/system/neti.service.d && systemctl daemon-reload &&
		systemctl restart neti.service'
	return "$status"
}

reload_is_heard() {
	local before
	before=$(main_pid)
	hudson sed -i 's/^open_ports: .*/open_ports: [80, 443]/' /etc/neti/neti.yml
	hudson systemctl reload neti.service &&
		box_await 5 hudson sh -c 'nft list chain inet neti input | grep "tcp dport 443 accept"' &&
		[ "$(main_pid)" = "$before" ]
}

# A mistake in the settings is said once, and not tried for ever.
mistake_is_final() {
	hudson cp /etc/neti/neti.yml /tmp/kept.yml
	hudson sh -c 'echo "colour: red" >>/etc/neti/neti.yml'
	! hudson systemctl restart neti.service 2>/dev/null
	sleep 2.5
	state_of neti.service ActiveState failed && has_rules
	local status=$?
	hudson sh -c 'cp /tmp/kept.yml /etc/neti/neti.yml && systemctl start neti.service'
	return "$status"
}

expect "a second box" box_start sierra
expect "a stranger's box" box_start stranger
box_cable hudson eth0 sierra eth0
box_cable hudson eth1 stranger eth0
hudson ip address add 10.0.0.11/24 dev eth0
hudson ip address add 10.9.0.11/24 dev eth1
sierra ip address add 10.0.0.12/24 dev eth0
box stranger ip address add 10.9.0.66/24 dev eth0
hudson ip route add default via 10.0.0.12
sierra ip route add default via 10.0.0.11

write_settings hudson 10.0.0.11
expect "enable --now" hudson systemctl enable --now neti.service
expect "it is up, and with it the boot unit" state_of neti-restore.service UnitFileState enabled
expect "its rules are in the kernel" box_await 10 has_rules
expect "it has two of root's powers" powers
expect "the watchdog restarts a frozen agent" watchdog_bites
expect "reload" reload_is_heard
expect "a mistake in the settings ends it, the rules stay" mistake_is_final

# Applied by the unit, put back after a restart of it, and gone with it.
proxy_comes_and_goes() {
	hudson sh -c 'printf "listen: 2181\nto: [10.0.0.12:2181]\n" >>/etc/neti/neti.yml' &&
		hudson systemctl start neti-proxy.service &&
		hudson sh -c 'iptables-legacy-save -t nat | grep -q "NETI-PROXY.*10.0.0.12:2181"' &&
		[ "$(hudson cat /proc/sys/net/ipv4/ip_forward)" = 1 ] &&
		hudson systemctl reload neti-proxy.service &&
		hudson systemctl stop neti-proxy.service &&
		! hudson sh -c 'iptables-legacy-save | grep NETI-PROXY' && has_rules
}

proxy_works() {
	proxy_comes_and_goes && return
	hudson journalctl --no-pager -n 10 -u neti-proxy.service
	return 1
}

expect "the proxy's unit" proxy_works

# --- upgraded under live traffic ------------------------------------------------------------------

# On both: 8080 echoes, 8082 says one line; UDP 9000 echoes.
start_services() {
	box "$1" sh -c '
		socat TCP4-LISTEN:8080,fork,reuseaddr,backlog=64 PIPE &
		socat TCP4-LISTEN:8082,fork,reuseaddr,backlog=64 SYSTEM:"echo yes" &
		socat -T 30 UDP4-LISTEN:9000,fork,reuseaddr PIPE & ' >/dev/null 2>&1 </dev/null
}

# Until /run/share/stop is there: one connection and one UDP flow that stay, a line every 20 ms,
# and a new connection as fast as it goes. NAME.tcp and NAME.udp get what comes back, NAME.new a
# line a connection.
write_prober() {
	cat >"$share/probe" <<'SH'
#!/bin/bash
name=$1 to=$2
cd /run/share
lines() {
	local n=0
	until [ -e stop ]; do
		echo $((++n)) | tee -a "$name.$1.sent"
		sleep 0.02
	done
	sleep 0.5
}
lines tcp | socat -t 1 - "TCP4:$to:8080,connect-timeout=2" >"$name.tcp" 2>"$name.tcp.error" &
lines udp | socat -t 1 - "UDP4:$to:9000" >"$name.udp" 2>"$name.udp.error" &
until [ -e stop ]; do
	socat -u "TCP4:$to:8082,connect-timeout=0.5" - >>"$name.new" 2>>"$name.new.error" ||
		echo failed >>"$name.new"
	sleep 0.005
done
wait
SH
	cat >"$share/knock" <<'SH'
#!/bin/bash
cd /run/share
until [ -e stop ]; do
	for _ in 1 2 3 4 5 6 7 8; do
		{ socat -u TCP4:10.9.0.11:8082,connect-timeout=0.1 - 2>/dev/null; echo tried; } >>stranger.new &
	done
	wait
done
SH
	chmod +x "$share/probe" "$share/knock"
}

retransmitted() {
	# shellcheck disable=SC2016 # awk's own
	box "$1" awk '/^Tcp:/ && $13 ~ /[0-9]/ { print $13 }' /proc/net/snmp
}

leads_to() {
	box "$1" sh -c "nft list map inet neti overlay | grep -q '[ 	]$2 : $3[ ,]'"
}

both_know_each_other() {
	overlay_hudson=$(hudson netictl lookup hudson --field overlay) &&
		overlay_sierra=$(hudson netictl lookup sierra --field overlay) &&
		leads_to hudson "$overlay_sierra" 10.0.0.12 && leads_to sierra "$overlay_hudson" 10.0.0.11
}

upgrade() {
	local before
	before=$(main_pid)
	hudson dpkg -i "/run/share/$1" && box_await 5 is_restarted "$before" &&
		hudson test -e "/proc/$(main_pid)/exe"
}

# What was sent is what came back.
nothing_lost() {
	local sent
	sent=$(wc -l <"$share/$1.sent")
	echo "$sent lines sent, $(wc -l <"$share/$1") came back"
	cat "$share/$1.error"
	[ "$sent" -gt 100 ] && cmp "$share/$1.sent" "$share/$1"
}

none_refused() {
	sort "$share/$1.new" | uniq -c
	[ "$(wc -l <"$share/$1.new")" -gt 100 ] && ! grep -qv '^yes$' "$share/$1.new"
}

none_let_in() {
	sort "$share/stranger.new" | uniq -c
	[ "$(wc -l <"$share/stranger.new")" -gt 50 ] && ! grep -q '^yes$' "$share/stranger.new"
}

none_sent_again() {
	local host
	for host in hudson sierra; do
		echo "$host: ${sent_again[$host]} before, $(retransmitted "$host") after"
		[ "$(retransmitted "$host")" = "${sent_again[$host]}" ] || return 1
	done
}

settings_are_kept() {
	hudson grep -q '^id: hudson$' /etc/neti/neti.yml && [ ! -e "$share/../hudson/upper/etc/neti/neti.yml.dpkg-new" ]
}

expect "an older version can be made" make_older
sierra dpkg -i "/run/share/$netictl_deb" >/dev/null
write_settings sierra 10.0.0.12
sierra systemctl enable --now neti.service 2>/dev/null
start_services hudson
start_services sierra
write_prober
expect "both boxes lead to each other" box_await 15 both_know_each_other
declare -A sent_again
for host in hudson sierra; do
	sent_again[$host]=$(retransmitted "$host")
done
hudson /run/share/probe hudson "$overlay_sierra" &
probers=($!)
sierra /run/share/probe sierra "$overlay_hudson" &
probers+=($!)
box stranger /run/share/knock &
probers+=($!)
sleep 2
expect "upgrade restarts the agent" upgrade next.deb
sleep 1
expect "the same version again" upgrade next.deb
sleep 1
expect "back to the old version" upgrade "$netictl_deb"
sleep 1
expect "to one that knows the engine of iptables alone" upgrade older.deb
expect "which finds its own rules" finds_its_own_rules
sleep 1
expect "and on again" upgrade "$netictl_deb"
sleep 7 # past removal_delay: were it gone from its peers, it would show now
: >"$share/stop"
wait "${probers[@]}"
for host in hudson sierra; do
	expect "$host's TCP connection lost nothing" nothing_lost "$host.tcp"
	expect "$host's UDP flow lost nothing" nothing_lost "$host.udp"
	expect "$host's new connections all came through" none_refused "$host"
done
expect "not one TCP segment had to be sent twice" none_sent_again
expect "no stranger got in" none_let_in
expect "the settings are as they were" settings_are_kept

# --- booted with the registry away ----------------------------------------------------------------

order_at_boot() {
	local restored network
	restored=$(hudson systemctl show -P ActiveEnterTimestampMonotonic neti-restore.service)
	network=$(hudson systemctl show -P ActiveEnterTimestampMonotonic network-pre.target)
	echo "neti-restore at $restored, network-pre at $network"
	[ "$restored" -gt 0 ] && [ "$network" -gt "$restored" ]
}

hudson sed -i.kept 's|^registry:.*|registry: zookeeper://127.0.0.1:1/neti|' /etc/neti/neti.yml
expect "power off" box_stop hudson
expect "it boots with the registry away" box_start hudson
expect "the boot unit has done its work" state_of neti-restore.service ActiveState active
expect "before the network comes up" order_at_boot
expect "the rules are those of the last known fleet" has_rules
expect "with the members of then" hudson nft get element inet neti peers '{ 10.0.0.12 }'
expect "the agent is up, and waits" state_of neti.service ActiveState active
hudson mv /etc/neti/neti.yml.kept /etc/neti/neti.yml
expect "power off again" box_stop hudson
expect "and boots with it back" box_start hudson
expect "the agent is up by itself" box_await 10 applied

# --- removed and purged ---------------------------------------------------------------------------

is_gone() {
	! has_rules && ! hudson pgrep -x netictl &&
		! hudson test -e /usr/sbin/netictl
}

foreign_rules_stay() {
	save_kernel >"$suite_folder/kernel.after"
	diff <(rules_of "$suite_folder/kernel.before") <(rules_of "$suite_folder/kernel.after")
}

nothing_is_left() {
	files_of_neti | diff "$suite_folder/files.before" -
}

hudson iptables-legacy -A INPUT -p tcp --dport 9100 -j DROP
hudson iptables-legacy -t nat -A PREROUTING -p tcp --dport 8081 -j REDIRECT --to-ports 8080
expect "remove" hudson dpkg -r netictl
expect "agent, rules and sets are gone" is_gone
expect "other rules stay" foreign_rules_stay
expect "the settings stay" hudson grep -q '^id: hudson$' /etc/neti/neti.yml
expect "so does the state" hudson test -e /var/lib/neti/fleet
expect "install again" hudson dpkg -i "/run/share/$netictl_deb"
expect "purge" hudson dpkg -P netictl libneti-dev libneti0
expect "nothing is left" nothing_is_left

suite_end
